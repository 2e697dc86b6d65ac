/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TLS 1.3 session over a non-blocking socket, keyed by one pre-shared key on
 * both sides (RFC 8446, 4.2.11: external PSK with psk_dhe_ke, X25519). No
 * certificates, no resumption, no early data: who does not have the key does
 * not get past the handshake, in either direction.
 *
 * Every call returns -EAGAIN when the socket is not ready; wait for tls_wants
 * and call again with the same arguments.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_PSK_LEN 32
#define TLS_FIRST_BYTE 0x16 /* record type handshake, RFC 8446 5.1 */

struct tls;

/* fd and identity are borrowed, the key is copied and wiped by tls_free. 0 or -ENOMEM. */
int tls_new_server(int fd, const char *identity, const uint8_t psk[TLS_PSK_LEN],
		   struct tls **ret_tls);
int tls_new_client(int fd, const char *identity, const uint8_t psk[TLS_PSK_LEN],
		   struct tls **ret_tls);
void tls_free(struct tls *t); /* NULL is fine */

/* 0: the session stands. -EACCES: the keys differ; -EPROTO: not our kind of TLS; or an errno. */
int tls_handshake(struct tls *t);
ssize_t tls_read(struct tls *t, void *data, size_t len); /* 0: closed by the other side */
ssize_t tls_write(struct tls *t, const void *data, size_t len);
void tls_bye(struct tls *t); /* tries to say that nothing more comes */

unsigned int tls_wants(const struct tls *t); /* LOOP_IN or LOOP_OUT */
