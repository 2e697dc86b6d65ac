/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the options that touches the host: files and the host's name. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config.h"

/* Reads at most size bytes. Returns the length, or a negative errno. */
static ssize_t read_file(const char *path, char *out, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return -errno;
	while (used < size) {
		ssize_t n = read(fd, out + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static int load_file(const struct options *args, struct options *o, struct err *e)
{
	const char *path = args->config[0] ? args->config : OPTIONS_CONFIG_FILE;
	_cleanup_(freep) char *text = malloc(OPTIONS_CONFIG_MAX + 1);
	ssize_t len;

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	len = read_file(path, text, OPTIONS_CONFIG_MAX + 1); /* one more, so that too much is seen */
	if (len == -ENOENT && !args->config[0])
		return 0;
	if (len < 0) {
		/* Not -EINVAL: the command line is right, the file is not there. */
		return err_set(e, len == -EINVAL ? -EIO : (int)len, "cannot read the configuration file "
			       "%s: %s", path, strerror((int)-len));
	}
	return options_parse_text(text, (size_t)len, path, o, e);
}

static int load_token(struct options *o, struct err *e)
{
	char text[TOKEN_TEXT_MAX + 64] = "";
	ssize_t len;
	int r;

	if (!o->token_file[0])
		return 0;
	if (o->has_token)
		return err_set(e, -EINVAL, "token and token-file are both given: give one");
	len = read_file(o->token_file, text, sizeof(text) - 1);
	if (len < 0)
		return err_set(e, len == -EINVAL ? -EIO : (int)len, "cannot read the token file %s: %s",
			       o->token_file, strerror((int)-len));
	text[strcspn(text, " \t\r\n")] = '\0';
	r = token_parse(text, o->token);
	sodium_memzero(text, sizeof(text));
	if (r)
		return err_set(e, -EINVAL, "the token file %s holds no join token on its first line: "
			       "`overlayctl cluster token` on a member prints it", o->token_file);
	o->has_token = true;
	return 0;
}

static int default_node(struct options *o, struct err *e)
{
	char name[256] = "";

	if (o->node[0])
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return err_set(e, -errno, "cannot read the host's name: %s; give --node NAME",
			       strerror(errno));
	if (name_check("host name", name, NULL))
		return err_set(e, -EINVAL, "the host name \"%.80s\" cannot be a node's name (letters, "
			       "digits, '-', '_' and '.', at most %d): give --node NAME", name,
			       NAME_MAX_LEN);
	strcpy(o->node, name);
	return 0;
}

static int check_apart(const struct options *o, const char *what, uint16_t port, struct err *e)
{
	const struct port_range *m = &o->masquerade;

	if (port < m->first || port > m->last)
		return 0;
	return err_set(e, -EINVAL, "--%s %u lies within --masquerade-ports %u-%u: choose a port or a "
		       "range that is apart from the other", what, port, m->first, m->last);
}

static int check_ports(const struct options *o, struct err *e)
{
	int r;

	if (o->vxlan_port == o->gossip_port)
		return err_set(e, -EINVAL, "--vxlan-port and --gossip-port are both %u: give two ports",
			       o->vxlan_port);
	r = check_apart(o, "vxlan-port", o->vxlan_port, e);
	return r ? r : check_apart(o, "gossip-port", o->gossip_port, e);
}

static int check(struct options *o, struct err *e)
{
	int r;

	if (!o->attach[0])
		return err_set(e, -EINVAL, "--attach is missing: name the interface that leads to the "
			       "other hosts, as in `overlayd --attach eth0`");
	r = check_ports(o, e);
	if (!r)
		r = load_token(o, e);
	if (!r)
		r = default_node(o, e);
	if (r)
		return r;
	for (size_t i = 0; i < o->join_count; i++)
		if (!o->join[i].port)
			o->join[i].port = o->gossip_port;
	return 0;
}

int options_load(int argc, char *const *argv, struct options *ret_options, struct err *e)
{
	struct options args = { 0 }, o;
	int r;

	options_init(&o);
	r = options_parse_args(argc, argv, &args, e);
	if (r)
		return r;
	if (!args.help && !args.version)
		r = load_file(&args, &o, e);
	if (r)
		return r;
	options_override(&o, &args);
	sodium_memzero(args.token, sizeof(args.token));
	if (!o.help && !o.version && !o.detach)
		r = check(&o, e);
	if (r)
		return r;
	*ret_options = o;
	return 0;
}
