# Rows `ALGORITHM N SEED COMPARISONS MICROSECONDS` in, sorted by N: one line for each N with means over the seeds.
function deviation(sum, squares)
{
        return count > 1 && squares * count > sum * sum ? sqrt((squares - sum * sum / count) / (count - 1)) : 0
}
function finish()
{
        if (count)
                printf "%-10s %8d %6d %14.1f %10.1f %12.1f %10.1f\n", name, n, count, c / count, deviation(c, cc), t / count, deviation(t, tt)
        count = c = cc = t = tt = 0
}
BEGIN { printf "%-10s %8s %6s %14s %10s %12s %10s\n", "algorithm", "size", "seeds", "comparisons", "+-", "microseconds", "+-" }
$2 != n { finish() }
{ name = $1; n = $2; count++; c += $4; cc += $4 * $4; t += $5; tt += $5 * $5 }
END { finish() }
