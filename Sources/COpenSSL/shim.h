#pragma once

// The system's OpenSSL 3 for Swift: its headers, wrappers of the macros and variadic functions
// that Swift cannot import, and the BIO through which a connection's bytes are lent to it.
// Only functions that OpenSSL 3.0 does not deprecate are used, so that later releases fit, too.

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

// MARK: - The lending BIO

/// What the BIO of one connection reads from and writes to.
///
/// `input` and `output` are lent by Swift for the length of one OpenSSL call. What does not fit
/// into `output` goes to `spill`, which grows, so that a write never has to be repeated; Swift
/// takes its bytes after the call.
typedef struct leeway_lending {
    const unsigned char *input;
    size_t input_count;
    unsigned char *output;
    size_t output_count;
    size_t output_capacity;
    unsigned char *spill;
    size_t spill_count;
    size_t spill_capacity;
} leeway_lending;

/// Copies lent bytes; when none are left, says "later" (never "end", which the channel knows).
static inline int leeway_lending_read(BIO *bio, char *target, int count) {
    leeway_lending *lending = (leeway_lending *)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (target == NULL || count <= 0) return 0;
    if (lending->input_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t taken = (size_t)count < lending->input_count ? (size_t)count : lending->input_count;
    memcpy(target, lending->input, taken);
    lending->input += taken;
    lending->input_count -= taken;
    return (int)taken;
}

/// Takes all bytes: into the lent room, or, once that is full, into the spill.
static inline int leeway_lending_write(BIO *bio, const char *source, int count) {
    leeway_lending *lending = (leeway_lending *)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (source == NULL || count <= 0) return 0;
    size_t needed = (size_t)count;
    if (lending->spill_count == 0 && needed <= lending->output_capacity - lending->output_count) {
        memcpy(lending->output + lending->output_count, source, needed);
        lending->output_count += needed;
        return count;
    }
    if (needed > lending->spill_capacity - lending->spill_count) {
        if (needed > SIZE_MAX / 4 || lending->spill_count > SIZE_MAX / 4) return -1;
        size_t capacity = 2 * (lending->spill_count + needed);
        unsigned char *grown = (unsigned char *)realloc(lending->spill, capacity);
        if (grown == NULL) return -1;
        lending->spill = grown;
        lending->spill_capacity = capacity;
    }
    memcpy(lending->spill + lending->spill_count, source, needed);
    lending->spill_count += needed;
    return count;
}

/// Writes are never held back, so a flush is done at once; nothing else is supported.
static inline long leeway_lending_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// The kind of BIO that the functions above make up; wanted once a process.
static inline BIO_METHOD *leeway_lending_method_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leeway");
    if (method == NULL) return NULL;
    BIO_meth_set_read(method, leeway_lending_read);
    BIO_meth_set_write(method, leeway_lending_write);
    BIO_meth_set_ctrl(method, leeway_lending_ctrl);
    return method;
}

/// Makes a BIO over a lending and gives it to the connection, which then owns it.
static inline int leeway_SSL_set_lending(SSL *ssl, BIO_METHOD *method, leeway_lending *lending) {
    BIO *bio = BIO_new(method);
    if (bio == NULL) return 0;
    BIO_set_data(bio, lending);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 1;
}

// MARK: - Macros of ssl.h

/// A macro over SSL_CTX_ctrl.
static inline int leeway_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

/// A macro over SSL_CTX_ctrl.
static inline void leeway_SSL_CTX_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}

/// A macro over SSL_CTX_ctrl.
static inline void leeway_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

/// A macro over SSL_CTX_ctrl.
static inline int leeway_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *list) {
    return (int)SSL_CTX_set1_groups_list(context, list);
}

/// A macro over SSL_CTX_ctrl; the context takes a reference of its own.
static inline int leeway_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

/// A macro over SSL_CTX_callback_ctrl; asked for the name that a client wants.
static inline void leeway_SSL_CTX_set_tlsext_servername_callback(
    SSL_CTX *context, int (*callback)(SSL *, int *, void *)
) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
}

/// A macro over SSL_CTX_callback_ctrl; asked for the OCSP response to staple.
static inline void leeway_SSL_CTX_set_tlsext_status_cb(
    SSL_CTX *context, int (*callback)(SSL *, void *)
) {
    SSL_CTX_set_tlsext_status_cb(context, callback);
}

/// A macro over SSL_CTX_ctrl.
static inline void leeway_SSL_CTX_set_timeout(SSL_CTX *context, long seconds) {
    SSL_CTX_set_timeout(context, seconds);
}

/// A macro over SSL_ctrl, which takes over memory of the library's own: a copy is made here.
static inline int leeway_SSL_staple(SSL *ssl, const unsigned char *bytes, size_t count) {
    unsigned char *copy = (unsigned char *)OPENSSL_malloc(count);
    if (copy == NULL) return 0;
    memcpy(copy, bytes, count);
    if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)count) == 1) return 1;
    OPENSSL_free(copy);
    return 0;
}

/// A macro over SSL_ctrl; copies the name.
static inline int leeway_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

/// SSL_OP_… are macros with casts, which Swift does not import.
static inline void leeway_SSL_CTX_set_safe_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
}

// MARK: - Macros and variadic functions of libcrypto

/// A macro over BIO_ctrl; the bytes belong to the BIO.
static inline long leeway_BIO_get_mem_data(BIO *bio, const char **bytes) {
    return BIO_get_mem_data(bio, (char **)bytes);
}

/// XN_FLAG_RFC2253 is a macro of many parts, which Swift does not import.
static inline int leeway_X509_NAME_print_RFC2253(BIO *target, const X509_NAME *name) {
    return X509_NAME_print_ex(target, name, 0, XN_FLAG_RFC2253);
}

/// A macro over a variadic function; makes a new key.
static inline EVP_PKEY *leeway_EVP_EC_gen_P256(void) {
    return EVP_EC_gen("P-256");
}

/// A macro; the extension's text is checked by the library, without a configuration file.
static inline X509_EXTENSION *leeway_X509V3_EXT_make(
    X509 *issuer, X509 *subject, int nid, const char *value
) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, subject, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    return X509V3_EXT_conf_nid(NULL, &context, nid, value);
}

/// The stack functions are macros.
static inline int leeway_sk_GENERAL_NAME_num(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

/// The stack functions are macros.
static inline const GENERAL_NAME *leeway_sk_GENERAL_NAME_value(
    const GENERAL_NAMES *names, int index
) {
    return sk_GENERAL_NAME_value(names, index);
}

/// The stack functions are macros; says whether the issuer signed the response, or somebody whom
/// the issuer lets sign such. It need not be a root.
static inline int leeway_OCSP_is_signed(OCSP_BASICRESP *response, X509 *issuer) {
    int result = 0;
    STACK_OF(X509) *issuers = sk_X509_new_null();
    X509_STORE *trusted = X509_STORE_new();
    if (issuers != NULL && trusted != NULL && sk_X509_push(issuers, issuer) > 0 &&
        X509_STORE_add_cert(trusted, issuer) == 1 &&
        X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) == 1) {
        result = OCSP_basic_verify(response, issuers, trusted, 0);
    }
    X509_STORE_free(trusted);
    sk_X509_free(issuers);
    return result;
}

/// OSSL_PARAM arrays are awkward in Swift; readies a ticket's cipher (AES-256-CBC) and its
/// authentication (HMAC-SHA-256) with keys of 32 bytes each and an initialisation vector of 16.
static inline int leeway_ticket_ready(
    EVP_CIPHER_CTX *cipher_context, EVP_MAC_CTX *mac_context, const EVP_CIPHER *cipher,
    const unsigned char *cipher_key, const unsigned char *mac_key, const unsigned char *vector,
    int sealing
) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[3] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)mac_key, 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_MAC_CTX_set_params(mac_context, parameters) != 1) return 0;
    return EVP_CipherInit_ex(cipher_context, cipher, NULL, cipher_key, vector, sealing);
}
