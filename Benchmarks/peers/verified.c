// The floor: the daemon's work with its libraries, and nothing else. Discovery, token request, key set, signature and
// claims, atomic write, sd_notify.
//
// Between two refreshes, it keeps only the endpoints and the keys. A connection is closed, since half an
// hour lies between two refreshes in production. It has one thread, RS256 alone, and no report of any kind.
//
// Environment: ISSUER, CLIENT_ID, SECRET_FILE, TOKEN_FILE, REQUEST_TIMEOUT. REFRESH_SECONDS is half of the token's
// lifetime by default. RETRY_SECONDS is the wait after a failure. Libraries: curl, crypto, jansson, systemd.
#define _GNU_SOURCE
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 1 << 20, MOST_KEYS = 16 };

static struct {
  char id[256];
  EVP_PKEY *key;
} keys[MOST_KEYS];
static char token_endpoint[2048], jwks_uri[2048];

static int fail(const char *why) {
  fprintf(stderr, "%s\n", why);
  return -1;
}

static double seconds(const char *name, double otherwise) {
  const char *text = getenv(name);
  return text ? atof(text) : otherwise;
}

static const char *text(const json_t *object, const char *name) {
  const char *value = json_string_value(json_object_get(object, name));
  return value ? value : "";
}

struct content {
  char *bytes;
  size_t count;
};

static size_t take(char *bytes, size_t one, size_t count, void *context) {
  struct content *content = context;
  if (content->count + count > LONGEST) return 0;
  char *longer = realloc(content->bytes, content->count + count);
  if (!longer) return 0;
  memcpy(longer + content->count, bytes, count);
  content->bytes = longer;
  content->count += count;
  return one * count;
}

// The JSON document at an address; NULL on any failure.
static json_t *request(CURL *easy, const char *url, const char *form) {
  struct content content = {0};
  long status = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(seconds("REQUEST_TIMEOUT", 30) * 1000));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &content);
  // As the daemon does: the authority is looked up by its hash, the bundle is not read.
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_CAPATH, "/etc/ssl/certs");
  if (form)
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
  else
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  CURLcode code = curl_easy_perform(easy);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  json_t *document = NULL;
  if (code != CURLE_OK)
    fail(curl_easy_strerror(code));
  else if (status != 200)
    fail("the status is not 200");
  else
    document = json_loadb(content.bytes, content.count, JSON_REJECT_DUPLICATES, NULL);
  free(content.bytes);
  return document;
}

static int discover(CURL *easy) {
  char url[2048];
  snprintf(url, sizeof url, "%s/.well-known/openid-configuration", getenv("ISSUER"));
  json_t *document = request(easy, url, NULL);
  int result = 0;
  if (!document || strcmp(text(document, "issuer"), getenv("ISSUER"))) result = fail("no discovery document");
  snprintf(token_endpoint, sizeof token_endpoint, "%s", result ? "" : text(document, "token_endpoint"));
  snprintf(jwks_uri, sizeof jwks_uri, "%s", result ? "" : text(document, "jwks_uri"));
  json_decref(document);
  return result;
}

// Decodes base64url without padding (RFC 7515, 2); the number of bytes, or -1.
static int decode(const char *text, size_t count, unsigned char *bytes, size_t room) {
  char padded[8192];
  size_t length = (count + 3) / 4 * 4;
  if (count == 0 || count % 4 == 1 || length >= sizeof padded || length / 4 * 3 > room) return -1;
  memset(padded, '=', length);
  for (size_t i = 0; i < count; i++) {
    if (text[i] == '+' || text[i] == '/') return -1;
    padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
  }
  int decoded = EVP_DecodeBlock(bytes, (unsigned char *)padded, length);
  return decoded < 0 ? -1 : decoded - (int)(length - count);
}

static BIGNUM *number(const char *text) {
  unsigned char bytes[4096];
  int count = decode(text, strlen(text), bytes, sizeof bytes);
  return count > 0 ? BN_bin2bn(bytes, count, NULL) : NULL;
}

static EVP_PKEY *public_key(const json_t *jwk) {
  EVP_PKEY *key = NULL;
  BIGNUM *n = number(text(jwk, "n")), *e = number(text(jwk, "e"));
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  OSSL_PARAM *parameters = NULL;
  if (n && e && BN_num_bits(n) >= 2048 && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) && (parameters = OSSL_PARAM_BLD_to_param(builder)) &&
      EVP_PKEY_fromdata_init(context) == 1)
    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
  OSSL_PARAM_free(parameters);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_BLD_free(builder);
  BN_free(n);
  BN_free(e);
  return key;
}

static int read_keys(CURL *easy) {
  json_t *document = request(easy, jwks_uri, NULL), *jwk;
  size_t index;
  if (!document) return fail("no key set");
  for (int i = 0; i < MOST_KEYS; i++) {
    EVP_PKEY_free(keys[i].key);
    keys[i].key = NULL;
  }
  json_array_foreach(json_object_get(document, "keys"), index, jwk) {
    if (index >= MOST_KEYS) break;
    if (strcmp(text(jwk, "kty"), "RSA") || !strcmp(text(jwk, "use"), "enc")) continue;
    snprintf(keys[index].id, sizeof keys[index].id, "%s", text(jwk, "kid"));
    keys[index].key = public_key(jwk);
  }
  json_decref(document);
  return 0;
}

static int contains(const json_t *value, const char *wanted) {
  size_t index;
  json_t *item;
  if (json_is_string(value)) {
    // A scope claim can be a text with spaces (RFC 9068).
    char copy[1024], *rest = copy, *word;
    snprintf(copy, sizeof copy, "%s", json_string_value(value));
    while ((word = strsep(&rest, " ")))
      if (!strcmp(word, wanted)) return 1;
  }
  json_array_foreach(value, index, item) if (!strcmp(json_string_value(item) ?: "", wanted)) return 1;
  return 0;
}

// Whether the signature is that of the key with the token's kid.
static int is_signed(const char *token, size_t count, const json_t *header, const unsigned char *signature, int size) {
  int result = 0;
  if (strcmp(text(header, "alg"), "RS256") || size < 0) return 0;
  for (int i = 0; i < MOST_KEYS && !result; i++) {
    if (!keys[i].key || strcmp(keys[i].id, text(header, "kid"))) continue;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    result = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, keys[i].key) == 1 &&
             EVP_DigestVerify(context, signature, size, (const unsigned char *)token, count) == 1;
    EVP_MD_CTX_free(context);
  }
  return result;
}

// Verifies a token. Returns its expiry, or -1.
static double verify(CURL *easy, const char *token) {
  unsigned char head[8192], body[8192], signature[2048];
  const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
  if (!second) return fail("the token is no JWT");
  int head_size = decode(token, first - token, head, sizeof head);
  int body_size = decode(first + 1, second - first - 1, body, sizeof body);
  int size = decode(second + 1, strlen(second + 1), signature, sizeof signature);
  if (head_size < 0 || body_size < 0) return fail("the token is no JWT");
  json_t *header = json_loadb((char *)head, head_size, JSON_REJECT_DUPLICATES, NULL);
  json_t *claims = json_loadb((char *)body, body_size, JSON_REJECT_DUPLICATES, NULL);
  const char *type = text(header, "typ");
  // If no key verifies it, the key set is read again once: it may have a new key.
  int is_good = is_signed(token, second - token, header, signature, size) ||
                (!read_keys(easy) && is_signed(token, second - token, header, signature, size));
  double expiry = json_number_value(json_object_get(claims, "exp")), now = time(NULL);
  if (!is_good)
    expiry = fail("the signature is wrong");
  else if ((*type && strcmp(type, "at+jwt") && strcmp(type, "JWT")) || strcmp(text(claims, "iss"), getenv("ISSUER")) ||
           !contains(json_object_get(claims, "aud"), "tamarack") ||
           strcmp(text(claims, "client_id"), getenv("CLIENT_ID")) ||
           !contains(json_object_get(claims, "scope"), "tamarack") || expiry <= now ||
           json_number_value(json_object_get(claims, "nbf")) > now + 60)
    expiry = fail("the claims are wrong");
  json_decref(header);
  json_decref(claims);
  return expiry;
}

static int publish(const char *token) {
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.new", getenv("TOKEN_FILE"));
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  ssize_t size = strlen(token);
  if (file < 0) return fail("the file cannot be written");
  int result = write(file, token, size) == size ? 0 : -1;
  if (close(file) || result || rename(temporary, getenv("TOKEN_FILE"))) return fail("the file cannot be written");
  return 0;
}

// Returns the seconds until the next refresh, or -1.
static double refresh(void) {
  char secret[256] = "", form[2048];
  FILE *file = fopen(getenv("SECRET_FILE"), "re");
  if (!file) return fail("no secret");
  if (fgets(secret, sizeof secret, file)) secret[strcspn(secret, "\n")] = 0;
  fclose(file);
  CURL *easy = curl_easy_init();
  char *escaped = curl_easy_escape(easy, secret, 0);
  snprintf(form, sizeof form, "grant_type=client_credentials&client_id=%s&client_secret=%s&scope=tamarack",
           getenv("CLIENT_ID"), escaped);
  curl_free(escaped);
  double expiry = -1;
  if (*token_endpoint || !discover(easy)) {
    json_t *answer = request(easy, token_endpoint, form);
    expiry = answer ? verify(easy, text(answer, "access_token")) : -1;
    if (expiry > 0 && publish(text(answer, "access_token"))) expiry = -1;
    json_decref(answer);
  }
  curl_easy_cleanup(easy);
  return expiry < 0 ? -1 : seconds("REFRESH_SECONDS", (expiry - time(NULL)) / 2);
}

int main(void) {
  int is_ready = 0;
  umask(027);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  while (1) {
    double wait = refresh();
    if (wait < 0)
      wait = seconds("RETRY_SECONDS", 60);
    else if (!is_ready)
      is_ready = sd_notify(0, "READY=1") >= 0;
    nanosleep(&(struct timespec){(time_t)wait, (long)((wait - (time_t)wait) * 1e9)}, NULL);
  }
}
