# Rows of `heat check` in, sorted by scheme and N: a line for each N, with the observed order of convergence and the speed-up.
function finish(    order, speed)
{
        if (n == "")
                return
        order = (scheme == last_scheme && last_error > 0) ? sprintf("%.2f", log(last_error / error) / log(n / last_n)) : "-"
        speed = (slow > 0 && most > 1) ? sprintf("%.2f on %d", slow / fast, most) : "-"
        printf "%-15s %5d %7d  %.3e  %5s %10.3f  %s\n", scheme, n, steps, error, order, slow, speed
        last_scheme = scheme; last_n = n; last_error = error
}
BEGIN {
        printf "%-15s %5s %7s  %9s  %5s %10s  %s\n", "scheme", "N", "steps", "error", "order", "seconds", "speed-up"
}
$2 != scheme || $1 != n {
        finish()
        scheme = $2; n = $1; steps = $4; error = $6; slow = 0; most = 0
}
$3 == 1 { slow = $5 }
$3 >= most { most = $3; fast = $5 }
END { finish() }
