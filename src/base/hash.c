#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

void cf_sha256(const void *bytes, size_t len, uint8_t out[CF_SHA256_SIZE])
{
    SHA256(bytes, len, out);
}

void cf_hex(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

uint64_t cf_hash64(uint64_t seed, const void *bytes, size_t len)
{
    uint8_t prefix[8], digest[CF_SHA256_SIZE];
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(seed >> (56 - 8 * i));

    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, prefix, sizeof prefix);
    EVP_DigestUpdate(context, bytes, len);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);

    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash;
}
