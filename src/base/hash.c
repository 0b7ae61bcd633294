#include "base/hash.h"

#include <openssl/evp.h>
#include <pthread.h>

/* for the life of the library: confab.so may be unloaded before the process ends */
static EVP_MD *fetched;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static void __attribute__((destructor)) let_go(void)
{
    EVP_MD_free(fetched);
    fetched = NULL;
}

/* OpenSSL looks EVP_sha256() up among its providers at each use, under a lock, which takes as long
 * as hashing a short text does. */
static const EVP_MD *sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch);
    return fetched != NULL ? fetched : EVP_sha256();
}

void cf_sha256(const void *bytes, size_t len, uint8_t out[CF_SHA256_SIZE])
{
    EVP_Digest(bytes, len, out, NULL, sha256(), NULL);
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
    EVP_DigestInit_ex(context, sha256(), NULL);
    EVP_DigestUpdate(context, prefix, sizeof prefix);
    EVP_DigestUpdate(context, bytes, len);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);

    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash;
}
