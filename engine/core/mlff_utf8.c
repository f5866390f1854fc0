#include "mlff_utf8.h"

/* RFC 3629, section 4: the lead byte gives the length and the range of the second byte. */
int mlff_utf8_length(const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *) text;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;

    int length;
    unsigned char low = 0x80, high = 0xBF;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        length = 2;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        length = 3;
        if (s[0] == 0xE0)
            low = 0xA0;   // overlong below
        if (s[0] == 0xED)
            high = 0x9F;  // surrogates above
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        length = 4;
        if (s[0] == 0xF0)
            low = 0x90;   // overlong below
        if (s[0] == 0xF4)
            high = 0x8F;  // beyond 0x10FFFF above
    } else {
        return 0;
    }
    if ((size_t) length > n || s[1] < low || s[1] > high)
        return 0;
    for (int k = 2; k < length; k++)
        if (s[k] < 0x80 || s[k] > 0xBF)
            return 0;
    return length;
}

int mlff_utf8_encode(unsigned long code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char) code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char) (0xC0 | code >> 6);
        out[1] = (char) (0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char) (0xE0 | code >> 12);
        out[1] = (char) (0x80 | (code >> 6 & 0x3F));
        out[2] = (char) (0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char) (0xF0 | code >> 18);
    out[1] = (char) (0x80 | (code >> 12 & 0x3F));
    out[2] = (char) (0x80 | (code >> 6 & 0x3F));
    out[3] = (char) (0x80 | (code & 0x3F));
    return 4;
}
