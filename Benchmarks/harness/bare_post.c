// The least work that libcurl needs: every REFRESH_SECONDS posts the form for a token and renames the unread response
// to TOKEN_FILE.
//
// Each request has its own connection and its own thread, as in a program that is idle between two refreshes.
// It also takes TOKEN_URL, CLIENT_ID and SECRET_FILE.
#define _GNU_SOURCE
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static char form[4096], temporary[4096];

static void *post(void *nothing) {
  FILE *answer = fopen(temporary, "we");
  CURL *easy = curl_easy_init();
  if (!answer || !easy) exit(70);
  curl_easy_setopt(easy, CURLOPT_URL, getenv("TOKEN_URL"));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
  // As the daemon does: the authority is looked up by its hash, the bundle is not read.
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
  curl_easy_setopt(easy, CURLOPT_CAPATH, "/etc/ssl/certs");
  CURLcode code = curl_easy_perform(easy);
  if (code != CURLE_OK) fprintf(stderr, "%s\n", curl_easy_strerror(code));
  curl_easy_cleanup(easy);
  fclose(answer);
  if (code == CURLE_OK) rename(temporary, getenv("TOKEN_FILE"));
  return nothing;
}

int main(void) {
  char secret[256] = "";
  umask(027);
  FILE *file = fopen(getenv("SECRET_FILE"), "re");
  if (!file || !fgets(secret, sizeof secret, file)) return 66;
  fclose(file);
  secret[strcspn(secret, "\n")] = 0;
  snprintf(form, sizeof form, "grant_type=client_credentials&client_id=%s&client_secret=%s&scope=tamarack",
           getenv("CLIENT_ID"), secret);
  snprintf(temporary, sizeof temporary, "%s.new", getenv("TOKEN_FILE"));
  curl_global_init(CURL_GLOBAL_DEFAULT);
  double period = atof(getenv("REFRESH_SECONDS"));
  struct timespec pause = {(time_t)period, (long)((period - (time_t)period) * 1e9)};
  while (1) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, post, NULL)) return 71;
    pthread_join(thread, NULL);
    nanosleep(&pause, NULL);
  }
}
