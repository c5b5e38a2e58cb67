/*
 * The kernels of `bench mcu-speed`: the same source is compiled for this machine and to WebAssembly. Each does `rounds` rounds and answers a
 * checksum, so that nothing can be left out and all runs can be compared.
 */

#ifdef __wasm__
#define KERNEL(name) __attribute__((export_name(#name))) unsigned name(unsigned rounds)
#else
#define KERNEL(name) __attribute__((noinline)) unsigned name(unsigned rounds)
#endif

typedef unsigned char u8;
typedef unsigned u32;

/* ---- fib: calls ---- */

static __attribute__((noinline)) u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

KERNEL(fib) {
    u32 sum = 0;
    for (u32 round = 0; round < rounds; round++) sum += fibonacci(20 + (round & 1));
    return sum;
}

/* ---- sha256: shifts and memory, FIPS 180-4 ---- */

static const u32 constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 rotate(u32 x, int n) { return x >> n | x << (32 - n); }

static void compress(u32 *state, const u8 *block) {
    u32 w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (u32)block[4 * i] << 24 | (u32)block[4 * i + 1] << 16 | (u32)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        u32 s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        u32 t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + w[i];
        u32 t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

KERNEL(sha256) {
    u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static u8 block[64];
    for (u32 round = 0; round < rounds * 100; round++) {
        for (int i = 0; i < 64; i++) block[i] = (u8)(round + (u32)i * 7);
        compress(state, block);
    }
    return state[0] ^ state[7];
}

/* ---- matrix: 64-bit floating point ---- */

#define SIDE 24

/* Of any size, as such functions are. */
static __attribute__((noinline)) void multiply(double *product, const double *a, const double *b, int side) {
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            double sum = 0;
            for (int k = 0; k < side; k++) sum += a[i * side + k] * b[k * side + j];
            product[i * side + j] = sum;
        }
}

KERNEL(matrix) {
    static double a[SIDE * SIDE], b[SIDE * SIDE], product[SIDE * SIDE];
    int side = rounds == 0 ? 1 : SIDE;
    double total = 0;
    for (int i = 0; i < side * side; i++) {
        a[i] = i * 7 % 11 - 5;
        b[i] = i * 5 % 13 - 6;
    }
    for (u32 round = 0; round < rounds * 3; round++) {
        multiply(product, a, b, side);
        a[round * 7 % (SIDE * SIDE)] += 1;
        total += product[round * 11 % (SIDE * SIDE)];
    }
    return (u32)(int)total;
}

/* ---- quicksort: comparisons and swaps ---- */

#define ITEMS 2000

static void sort(int *low, int *high) {
    while (low < high) {
        int pivot = low[(high - low) / 2];
        int *left = low, *right = high;
        while (left <= right) {
            while (*left < pivot) left++;
            while (*right > pivot) right--;
            if (left <= right) {
                int swapped = *left;
                *left++ = *right;
                *right-- = swapped;
            }
        }
        sort(low, right);
        low = left;
    }
}

KERNEL(quicksort) {
    static int items[ITEMS];
    u32 seed = 1, sum = 0;
    for (u32 round = 0; round < rounds; round++) {
        for (int i = 0; i < ITEMS; i++) {
            seed = seed * 1664525 + 1013904223;
            items[i] = (int)(seed >> 8);
        }
        sort(items, items + ITEMS - 1);
        sum = sum * 31 + (u32)items[ITEMS / 2] + (u32)items[(round * 7) % ITEMS];
    }
    return sum;
}

/* ---- filter: what a sampler does with a noisy sensor: the median of five, an exponential mean, a threshold with hysteresis ---- */

static int median_of_five(const int *recent) {
    int sorted[5];
    for (int i = 0; i < 5; i++) {
        int at = i;
        while (at > 0 && sorted[at - 1] > recent[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = recent[i];
    }
    return sorted[2];
}

KERNEL(filter) {
    int recent[5] = {0, 0, 0, 0, 0};
    u32 seed = 7, crossings = 0;
    float mean = 0, variance = 0;
    int is_above = 0;
    for (u32 sample = 0; sample < rounds * 1000; sample++) {
        seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
        /* A slow wave of 12 bits, noise, and now and then a spike. */
        int wave = (int)(sample >> 3 & 1023);
        int reading = (wave < 512 ? wave : 1023 - wave) * 4 + (int)(seed & 63) + ((seed >> 8 & 127) == 0 ? 3000 : 0);
        recent[sample % 5] = reading;
        float value = (float)median_of_five(recent) * (3.3f / 4096.0f);
        float difference = value - mean;
        mean += difference * 0.05f;
        variance = 0.95f * (variance + 0.05f * difference * difference);
        int now = is_above ? mean > 0.75f : mean > 0.85f;
        crossings += (u32)(now != is_above);
        is_above = now;
    }
    return crossings * 100000 + (u32)(int)(mean * 10000.0f) + (u32)(int)(variance * 1000.0f);
}
