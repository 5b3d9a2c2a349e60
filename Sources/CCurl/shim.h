#pragma once
#include <curl/curl.h>

// CURLAUTH_BASIC has a cast in it, which Swift does not import.
static const long leeway_curlauth_basic = CURLAUTH_BASIC;

// curl_easy_setopt, curl_easy_getinfo and curl_multi_setopt are variadic, which Swift cannot call.
// One wrapper for each kind of argument, so that a value of the wrong kind does not compile.

static inline CURLcode leeway_curl_easy_setopt_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode leeway_curl_easy_setopt_off_t(
    CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

// The library copies the text (not so for CURLOPT_POSTFIELDS, which takes `_pointer`).
static inline CURLcode leeway_curl_easy_setopt_string(
    CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

// The library keeps the pointer; the caller keeps what it points at alive.
static inline CURLcode leeway_curl_easy_setopt_pointer(
    CURL *easy, CURLoption option, const void *value) {
    return curl_easy_setopt(easy, option, value);
}

// The library keeps the list; the caller frees it after the transfer.
static inline CURLcode leeway_curl_easy_setopt_list(
    CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode leeway_curl_easy_setopt_write(
    CURL *easy, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode leeway_curl_easy_getinfo_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode leeway_curl_easy_getinfo_off_t(
    CURL *easy, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(easy, info, value);
}

// The text belongs to the handle and lives until its next use.
static inline CURLcode leeway_curl_easy_getinfo_string(
    CURL *easy, CURLINFO info, const char **value) {
    return curl_easy_getinfo(easy, info, value);
}
