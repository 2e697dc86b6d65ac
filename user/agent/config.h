/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon was asked to be: command line, configuration file, defaults.
 *
 * The file holds the same keys as the command line without the dashes, one a
 * line (`key = value`). The command line wins: a key
 * given there, `join` with all its values included, hides the file's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "gossip/gossip.h"
#include "model/model.h"

#define OPTIONS_CONFIG_FILE "/etc/overlayd/overlayd.conf" /* read only if it exists */
#define OPTIONS_CONFIG_MAX 65536
#define OPTIONS_PATH_MAX 255
#define OPTIONS_JOIN_MAX 32
#define OPTIONS_GOSSIP_PORT 7946 /* Serf's and Docker's */
#define OPTIONS_VXLAN_PORT 4789  /* RFC 7348, section 5 */

enum option_xdp { OPTION_XDP_AUTO, OPTION_XDP_NATIVE, OPTION_XDP_GENERIC, OPTION_XDP_OFF };

/* A container's packets leave by the node's address and one of so many ports, and no less. */
#define OPTIONS_MASQUERADE_MIN 256

struct port_range {
	uint16_t first, last;
};

struct options {
	char attach[IFNAME_MAX_LEN + 1];
	char node[NAME_MAX_LEN + 1];          /* the host's name unless given */
	struct ov_addr advertise;             /* zero: first address of the uplink */
	size_t join_count;
	struct sockname join[OPTIONS_JOIN_MAX]; /* port: our own gossip port unless given */
	bool has_token;
	uint8_t token[TOKEN_SECRET_LEN];      /* of --token or --token-file */
	char token_file[OPTIONS_PATH_MAX + 1];
	uint16_t vxlan_port, gossip_port;
	struct port_range masquerade;         /* of containers' connections to the outside */
	char state_dir[OPTIONS_PATH_MAX + 1];
	char run_dir[OPTIONS_PATH_MAX + 1];
	char bpffs[OPTIONS_PATH_MAX + 1];
	char pin_dir[OPTIONS_PATH_MAX + 1];   /* relative to bpffs */
	char resolv_conf[OPTIONS_PATH_MAX + 1]; /* the host's */
	enum option_xdp xdp;
	struct sockname metrics;              /* port 0: no metrics are served */
	enum log_level log_level;
	char config[OPTIONS_PATH_MAX + 1];    /* given by --config */
	bool detach, version, help;
	uint32_t given;                       /* which keys were given, by row of the table */
};

/* Everything at its default and nothing given. */
void options_init(struct options *o);

/*
 * The whole of it: command line, configuration file, token file, host name, and
 * whether they make sense together. With --help, --version or --detach nothing
 * more is asked for. On failure e->code is -EINVAL for wrong usage.
 */
int options_load(int argc, char *const *argv, struct options *ret_options, struct err *e);
/* Exit status for an error of options_load: 2 wrong usage, 1 anything else. */
int options_exit_status(const struct err *e);
/* What --help prints. */
const char *options_help(void);

/* The parts, pure. `name` is the file's name for sentences. Keys that `o` was given are an error. */
int options_parse_text(const char *text, size_t len, const char *name, struct options *o,
		       struct err *e);
int options_parse_args(int argc, char *const *argv, struct options *o, struct err *e);
/* Every key that `over` was given replaces that of `o`. */
void options_override(struct options *o, const struct options *over);
