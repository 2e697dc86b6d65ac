/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "loop/loop.h"

/*
 * Built by taking away: GnuTLS 3.7 rejects the same list put together from NONE.
 * An external PSK is bound to SHA-256, so that AES-256-GCM (SHA-384) cannot be used with it.
 */
static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:"
				 "+GROUP-X25519:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-128-GCM";

struct tls {
	gnutls_session_t session;
	gnutls_psk_server_credentials_t server;
	gnutls_psk_client_credentials_t client;
	const char *identity;
	uint8_t psk[TLS_PSK_LEN];
	bool wrong_identity; /* the client named another one */
};

/* Asked by GnuTLS for the key of a client's identity; it frees (and wipes) the copy. */
static int on_identity(gnutls_session_t session, const char *identity, gnutls_datum_t *ret_key)
{
	struct tls *t = gnutls_session_get_ptr(session);

	if (strcmp(identity, t->identity)) {
		t->wrong_identity = true;
		return -1;
	}
	ret_key->data = gnutls_malloc(TLS_PSK_LEN);
	if (!ret_key->data)
		return -1;
	memcpy(ret_key->data, t->psk, TLS_PSK_LEN);
	ret_key->size = TLS_PSK_LEN;
	return 0;
}

static int use_server_key(struct tls *t)
{
	int r = gnutls_psk_allocate_server_credentials(&t->server);

	if (r < 0)
		return r;
	gnutls_psk_set_server_credentials_function(t->server, on_identity);
	return gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->server);
}

static int use_client_key(struct tls *t)
{
	gnutls_datum_t key = { .data = t->psk, .size = TLS_PSK_LEN };
	int r = gnutls_psk_allocate_client_credentials(&t->client);

	if (r < 0)
		return r;
	r = gnutls_psk_set_client_credentials(t->client, t->identity, &key, GNUTLS_PSK_KEY_RAW);
	return r < 0 ? r : gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->client);
}

static void tls_freep(struct tls **t)
{
	tls_free(*t);
}

static int session_new(int fd, unsigned int role, const char *identity,
		       const uint8_t psk[TLS_PSK_LEN], struct tls **ret_tls)
{
	_cleanup_(tls_freep) struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->identity = identity;
	memcpy(t->psk, psk, TLS_PSK_LEN);
	r = gnutls_init(&t->session,
			role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
	if (r < 0)
		return -ENOMEM;
	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_int(t->session, fd);
	/* Deadlines are the caller's; GnuTLS would wait in poll() for its own. */
	gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);
	r = gnutls_priority_set_direct(t->session, priorities, NULL);
	if (r >= 0)
		r = role == GNUTLS_SERVER ? use_server_key(t) : use_client_key(t);
	if (r < 0)
		return -ENOMEM;
	*ret_tls = TAKE_PTR(t);
	return 0;
}

int tls_new_server(int fd, const char *identity, const uint8_t psk[TLS_PSK_LEN],
		   struct tls **ret_tls)
{
	return session_new(fd, GNUTLS_SERVER, identity, psk, ret_tls);
}

int tls_new_client(int fd, const char *identity, const uint8_t psk[TLS_PSK_LEN],
		   struct tls **ret_tls)
{
	return session_new(fd, GNUTLS_CLIENT, identity, psk, ret_tls);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->session)
		gnutls_deinit(t->session);
	if (t->server)
		gnutls_psk_free_server_credentials(t->server);
	if (t->client)
		gnutls_psk_free_client_credentials(t->client);
	explicit_bzero(t, sizeof(*t));
	free(t);
}

static int errno_of(int r)
{
	switch (r) {
	case GNUTLS_E_AGAIN:
	case GNUTLS_E_INTERRUPTED:
		return -EAGAIN;
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PREMATURE_TERMINATION:
		return -ECONNRESET;
	case GNUTLS_E_MEMORY_ERROR:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/*
 * Who lacks the key is found out by the server, when the binder of the client's
 * hello does not verify; the client learns it from the alert that ends the
 * handshake. The alerts are those RFC 8446 (4.2.11) and GnuTLS name for it.
 */
static bool is_key_alert(gnutls_alert_description_t alert)
{
	return alert == GNUTLS_A_ILLEGAL_PARAMETER || alert == GNUTLS_A_DECRYPT_ERROR ||
	       alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY || alert == GNUTLS_A_HANDSHAKE_FAILURE ||
	       alert == GNUTLS_A_BAD_RECORD_MAC;
}

static bool is_key_error(const struct tls *t, int r)
{
	if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return is_key_alert(gnutls_alert_get(t->session));
	return t->wrong_identity || r == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER ||
	       r == GNUTLS_E_DECRYPTION_FAILED || r == GNUTLS_E_INSUFFICIENT_CREDENTIALS;
}

int tls_handshake(struct tls *t)
{
	int r = gnutls_handshake(t->session);

	if (r == GNUTLS_E_SUCCESS)
		return gnutls_protocol_get_version(t->session) == GNUTLS_TLS1_3 &&
		       gnutls_kx_get(t->session) == GNUTLS_KX_ECDHE_PSK ? 0 : -EPROTO;
	if (!gnutls_error_is_fatal(r))
		return -EAGAIN;
	if (r != GNUTLS_E_FATAL_ALERT_RECEIVED)
		gnutls_alert_send_appropriate(t->session, r);
	return is_key_error(t, r) ? -EACCES : errno_of(r);
}

ssize_t tls_read(struct tls *t, void *data, size_t len)
{
	ssize_t n;

	do
		n = gnutls_record_recv(t->session, data, len);
	while (n < 0 && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)n));
	return n < 0 ? errno_of((int)n) : n;
}

ssize_t tls_write(struct tls *t, const void *data, size_t len)
{
	ssize_t n = gnutls_record_send(t->session, data, len);

	return n < 0 ? errno_of((int)n) : n;
}

void tls_bye(struct tls *t)
{
	gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

unsigned int tls_wants(const struct tls *t)
{
	return gnutls_record_get_direction(t->session) ? LOOP_OUT : LOOP_IN;
}
