// libcrypto (OpenSSL 3) for Swift: what consists of macros, and SHA-1 and SHA-256 without a provider.
#ifndef CCRYPTO_SHIM_H
#define CCRYPTO_SHIM_H

// The functions SHA1_* and SHA256_* are marked as deprecated. They stay in use here because they cannot fail.
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

// Prepares libcrypto without the atexit handler that frees its tables. Another thread can still be in a TLS call then.
// The first call in the process decides. It can be this one or that of ccurl_global_init.
static inline void ccrypto_init(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); }

// SHA-256. An openssl.cnf without the default provider does not make it fail.
static inline void ccrypto_sha256(const void *bytes, size_t count, unsigned char digest[SHA256_DIGEST_LENGTH]) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes, count);
  SHA256_Final(digest, &context);
  OPENSSL_cleanse(&context, sizeof context);
}

// SHA-1, only for the names of certificates. Like SHA-256, it cannot fail.
static inline void ccrypto_sha1(const void *bytes, size_t count, unsigned char digest[SHA_DIGEST_LENGTH]) {
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, bytes, count);
  SHA1_Final(digest, &context);
}

// Makes a public key of parameters, or NULL if it is impossible. It takes ownership of the builder, which can be NULL.
// Builders only refer to names and values. Swift's temporary C strings would be gone before the key is made.
static inline EVP_PKEY *ccrypto_public_key(const char *type, OSSL_PARAM_BLD *builder, int complete) {
  EVP_PKEY *key = NULL;
  OSSL_PARAM *parameters = builder && complete ? OSSL_PARAM_BLD_to_param(builder) : NULL;
  EVP_PKEY_CTX *context = parameters ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
  if (context && EVP_PKEY_fromdata_init(context) > 0 &&
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) <= 0) {
    EVP_PKEY_free(key);
    key = NULL;
  }
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  return key;
}

// An RSA key of a modulus and an exponent, or NULL.
static inline EVP_PKEY *ccrypto_rsa_public_key(const BIGNUM *modulus, const BIGNUM *exponent) {
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  int complete = builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
                 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
  return ccrypto_public_key("RSA", builder, complete);
}

// An EC key of a group's name and a point (SEC 1, 2.3.3), or NULL if the point is not on the curve.
static inline EVP_PKEY *ccrypto_ec_public_key(const char *group, const unsigned char *point, size_t count) {
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  int complete = builder && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) &&
                 OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, count);
  return ccrypto_public_key("EC", builder, complete);
}

#endif
