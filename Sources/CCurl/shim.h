// libcurl for Swift: the variadic functions, which Swift cannot call, as typed inline functions.
#ifndef CCURL_SHIM_H
#define CCURL_SHIM_H

// Every name that is used is in libcurl 7.76, so some are deprecated in newer versions. Tests/Release checks the names.
#define CURL_DISABLE_DEPRECATION 1
#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>
#include <dlfcn.h>
#include <malloc.h>
#include <openssl/x509_vfy.h>  // the X509_V_ERR codes of CURLINFO_SSL_VERIFYRESULT
#include <stdint.h>
#include <sys/prctl.h>

static inline CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_string(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ccurl_set_blob(CURL *easy, CURLoption option, const void *bytes, size_t count, int copies) {
  struct curl_blob blob = {(void *)bytes, count, copies ? CURL_BLOB_COPY : CURL_BLOB_NOCOPY};
  return curl_easy_setopt(easy, option, &blob);
}

static inline CURLcode ccurl_set_write_function(CURL *easy, CURLoption option, curl_write_callback function) {
  return curl_easy_setopt(easy, option, function);
}

static inline CURLcode ccurl_set_tls_function(CURL *easy, CURLoption option, curl_ssl_ctx_callback function) {
  return curl_easy_setopt(easy, option, function);
}

static inline CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_string(CURL *easy, CURLINFO info, const char **value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_pointer(CURL *easy, CURLINFO info, void **value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode ccurl_get_certificates(CURL *easy, struct curl_certinfo **value) {
  return curl_easy_getinfo(easy, CURLINFO_CERTINFO, value);
}

// CURLE_TOO_LARGE, also for headers older than 8.6.
#if LIBCURL_VERSION_NUM >= 0x080600
static const CURLcode ccurl_too_large = CURLE_TOO_LARGE;
#else
static const CURLcode ccurl_too_large = (CURLcode)100;
#endif

// The loaded libcurl's data about itself. It stays valid.
static inline const curl_version_info_data *ccurl_loaded(void) { return curl_version_info(CURLVERSION_NOW); }

// Prepares libcurl for all threads. Call it once, before anything else.
//
// Without this, OpenSSL frees its tables in an atexit handler while another thread can still be in a TLS call.
// A daemon that exits during a request would then crash with SIGSEGV.
//
// The function is looked up in the libcrypto that libcurl has loaded, so that HTTP does not link libcrypto.
// Other TLS libraries lack the function and do not need it.
static inline CURLcode ccurl_global_init(void) {
  const uint64_t no_atexit = 0x00080000;  // OPENSSL_INIT_NO_ATEXIT
  int (*init)(uint64_t, const void *) = (int (*)(uint64_t, const void *))dlsym(RTLD_DEFAULT, "OPENSSL_init_crypto");
  if (init) init(no_atexit, NULL);
  return curl_global_init(CURL_GLOBAL_DEFAULT);
}

// The TLS version of the transfer's connection, such as "TLSv1.3", or NULL. Call it from a callback of the transfer.
static inline const char *ccurl_tls_version(CURL *easy) {
  struct curl_tlssessioninfo *session = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session) return NULL;
  if (session->backend != CURLSSLBACKEND_OPENSSL || !session->internals) return NULL;
  const char *(*version)(const void *) = (const char *(*)(const void *))dlsym(RTLD_DEFAULT, "SSL_get_version");
  return version ? version(session->internals) : NULL;
}

// Names the calling thread, for ps(1) and gdb(1): at most 15 characters.
static inline void ccurl_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// Gives the heap's free pages back to the kernel (malloc_trim(3) is not in Swift's Glibc module).
static inline void ccurl_return_free_memory(void) { malloc_trim(0); }

#endif
