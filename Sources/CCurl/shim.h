#pragma once
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

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

static inline CURLcode leeway_curl_easy_setopt_opensocket(
    CURL *easy, CURLoption option, curl_opensocket_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode leeway_curl_easy_setopt_prereq(
    CURL *easy, CURLoption option, curl_prereq_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline void leeway_curl_map_v4(const void *v4, unsigned char bytes[16]) {
    memset(bytes, 0, 10);
    bytes[10] = bytes[11] = 0xff;
    memcpy(bytes + 12, v4, 4);
}

// A peer's address, version 4 as ::ffff:a.b.c.d, and as result its port; -1 for another family.
static inline int leeway_curl_peer(const struct curl_sockaddr *peer, unsigned char bytes[16]) {
    // The library keeps `addrlen` bytes from `addr` on, whatever its declared type.
    const unsigned char *raw = (const unsigned char *)&peer->addr;
    if (peer->family == AF_INET && peer->addrlen >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, raw, sizeof v4);
        leeway_curl_map_v4(&v4.sin_addr, bytes);
        return ntohs(v4.sin_port);
    }
    if (peer->family == AF_INET6 && peer->addrlen >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, raw, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
        return ntohs(v6.sin6_port);
    }
    return -1;
}

// Reads an address as it is written; 0 when it is none.
static inline int leeway_curl_parse_address(const char *text, unsigned char bytes[16]) {
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        leeway_curl_map_v4(&v4, bytes);
        return 1;
    }
    return inet_pton(AF_INET6, text, bytes) == 1;
}

// What the library would do itself.
static inline curl_socket_t leeway_curl_open_socket(const struct curl_sockaddr *peer) {
    return socket(peer->family, peer->socktype | SOCK_CLOEXEC, peer->protocol);
}
