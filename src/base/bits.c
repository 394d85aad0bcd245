#include "base/bits.h"

void xpm_bits_add_all(xpm_bits *bits, const xpm_bits *other)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                bits->words[i] |= other->words[i];
}

void xpm_bits_remove_all(xpm_bits *bits, const xpm_bits *other)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                bits->words[i] &= ~other->words[i];
}

void xpm_bits_keep_all(xpm_bits *bits, const xpm_bits *other)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                bits->words[i] &= other->words[i];
}

size_t xpm_bits_count(const xpm_bits *bits)
{
        size_t count = 0;
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                count += (size_t)__builtin_popcountll(bits->words[i]);
        return count;
}

bool xpm_bits_is_empty(const xpm_bits *bits)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                if (bits->words[i])
                        return false;
        return true;
}

bool xpm_bits_meet(const xpm_bits *a, const xpm_bits *b)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                if (a->words[i] & b->words[i])
                        return true;
        return false;
}

bool xpm_bits_include(const xpm_bits *bits, const xpm_bits *part)
{
        for (size_t i = 0; i < XPM_BITS_WORDS; i++)
                if (part->words[i] & ~bits->words[i])
                        return false;
        return true;
}

int xpm_bits_next(const xpm_bits *bits, int after)
{
        size_t word = (size_t)(after + 1) / 64;
        if (word >= XPM_BITS_WORDS)
                return -1;
        uint64_t rest = bits->words[word] & ~UINT64_C(0) << (after + 1) % 64;
        while (!rest && ++word < XPM_BITS_WORDS)
                rest = bits->words[word];
        return rest ? (int)(word * 64) + __builtin_ctzll(rest) : -1;
}
