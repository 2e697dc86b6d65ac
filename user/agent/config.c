/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "maps/masq.h"

/* inih cuts lines at INI_MAX_LINE, 200 in Debian's build, and reads on in the middle: refused. */
#define LINE_MAX_LEN 198
#define SOCKET_NAME "/overlayd.sock"

/* ---- setters: text to one field, or a sentence without the key's name ---- */

typedef int (*setter)(struct options *o, const char *text, struct err *e);

static int set_path(char *out, const char *text, struct err *e)
{
	if (!*text)
		return err_set(e, -EINVAL, "is empty: give a path");
	if (strlen(text) > OPTIONS_PATH_MAX)
		return err_set(e, -EINVAL, "is longer than %d characters: use a shorter path",
			       OPTIONS_PATH_MAX);
	strcpy(out, text);
	return 0;
}

/* What dev_valid_name() of the kernel takes. */
static int set_attach(struct options *o, const char *text, struct err *e)
{
	size_t len = strlen(text);

	if (!len || len > IFNAME_MAX_LEN || strpbrk(text, "/: \t\r\n\v\f") || !strcmp(text, ".") ||
	    !strcmp(text, ".."))
		return err_set(e, -EINVAL, "\"%.40s\" is no interface name: `ip link` lists them", text);
	strcpy(o->attach, text);
	return 0;
}

static int set_node(struct options *o, const char *text, struct err *e)
{
	int r = name_check("node name", text, e);

	if (!r)
		strcpy(o->node, text);
	return r;
}

static int set_advertise(struct options *o, const char *text, struct err *e)
{
	struct ov_addr a;

	if (addr_parse(text, &a) || addr_is_zero(&a))
		return err_set(e, -EINVAL, "\"%.60s\" is no IP address", text);
	o->advertise = a;
	return 0;
}

static int parse_port(const char *text, uint16_t *ret_port, struct err *e)
{
	unsigned int port = 0;
	size_t len = strlen(text);

	for (size_t i = 0; i < len && i < 6; i++)
		port = text[i] >= '0' && text[i] <= '9' ? port * 10 + (unsigned int)(text[i] - '0') : 65536;
	if (!len || len > 5 || !port || port > 65535)
		return err_set(e, -EINVAL, "\"%.20s\" is no port: give a number from 1 to 65535", text);
	*ret_port = (uint16_t)port;
	return 0;
}

/* Splits "1.2.3.4", "1.2.3.4:7946", "fd00::1" or "[fd00::1]:7946" in place. */
static char *split_port(char *text, char **ret_addr)
{
	char *close = text[0] == '[' ? strchr(text, ']') : NULL, *colon = strchr(text, ':');

	*ret_addr = text;
	if (close) {
		*ret_addr = text + 1;
		*close = '\0';
		return close[1] == ':' ? close + 2 : close[1] ? close + 1 : NULL;
	}
	if (!colon || strchr(colon + 1, ':')) /* none, or an IPv6 address */
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static int set_join(struct options *o, const char *text, struct err *e)
{
	char copy[ADDR_TEXT_MAX + 16] = "", *addr, *port;
	struct sockname to = { .port = 0 };

	if (strlen(text) >= sizeof(copy))
		return err_set(e, -EINVAL, "\"%.60s...\" is no ADDR or ADDR:PORT", text);
	strcpy(copy, text);
	port = split_port(copy, &addr);
	if (addr_parse(addr, &to.addr))
		return err_set(e, -EINVAL, "\"%s\" is no ADDR or ADDR:PORT: give the IP address of a node",
			       text);
	if (port && parse_port(port, &to.port, e))
		return -EINVAL;
	if (o->join_count == OPTIONS_JOIN_MAX)
		return err_set(e, -EINVAL, "is given more than %d times", OPTIONS_JOIN_MAX);
	o->join[o->join_count++] = to;
	return 0;
}

static int set_token(struct options *o, const char *text, struct err *e)
{
	if (token_parse(text, o->token))
		return err_set(e, -EINVAL, "is no join token: `overlayctl cluster token` on a member "
			       "prints it");
	o->has_token = true;
	return 0;
}

static int set_token_file(struct options *o, const char *text, struct err *e)
{
	return set_path(o->token_file, text, e);
}

static int set_vxlan_port(struct options *o, const char *text, struct err *e)
{
	return parse_port(text, &o->vxlan_port, e);
}

static int set_gossip_port(struct options *o, const char *text, struct err *e)
{
	return parse_port(text, &o->gossip_port, e);
}

static int parse_range(const char *text, struct port_range *ret_range)
{
	const char *dash = strchr(text, '-');
	struct err unused = { 0 };
	char first[8] = "";

	if (!dash || dash - text >= (int)sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(dash - text));
	return parse_port(first, &ret_range->first, &unused) ||
	       parse_port(dash + 1, &ret_range->last, &unused) ? -EINVAL : 0;
}

static int set_masquerade_ports(struct options *o, const char *text, struct err *e)
{
	struct port_range range;

	if (parse_range(text, &range))
		return err_set(e, -EINVAL, "\"%.20s\" is no range of ports: give FIRST-LAST, as in "
			       "61000-65535", text);
	if (range.first > range.last)
		return err_set(e, -EINVAL, "\"%.20s\" ends before it begins: give the smaller port "
			       "first", text);
	if (range.last - range.first + 1 < OPTIONS_MASQUERADE_MIN)
		return err_set(e, -EINVAL, "\"%.20s\" is only %d ports: give at least %d, or containers "
			       "soon find none that is free", text, range.last - range.first + 1,
			       OPTIONS_MASQUERADE_MIN);
	o->masquerade = range;
	return 0;
}

static int set_state_dir(struct options *o, const char *text, struct err *e)
{
	return set_path(o->state_dir, text, e);
}

static int set_run_dir(struct options *o, const char *text, struct err *e)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(SOCKET_NAME);

	if (strlen(text) > most)
		return err_set(e, -EINVAL, "is longer than %zu characters, which is all that fits a "
			       "socket's path: use a shorter one", most);
	return set_path(o->run_dir, text, e);
}

static int set_bpffs(struct options *o, const char *text, struct err *e)
{
	return set_path(o->bpffs, text, e);
}

static bool has_dot_segment(const char *path)
{
	for (const char *at = path; *at; at += strspn(at, "/")) {
		size_t len = strcspn(at, "/");

		if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return true;
		at += len;
	}
	return false;
}

/* The BPF file system refuses names with dots in them (bpf_lookup() in kernel/bpf/inode.c). */
static int set_pin_dir(struct options *o, const char *text, struct err *e)
{
	if (text[0] == '/' || has_dot_segment(text) || strchr(text, '.'))
		return err_set(e, -EINVAL, "\"%.100s\" must be a path below --bpffs, without '.' in it "
			       "and without a leading '/'", text);
	return set_path(o->pin_dir, text, e);
}

static int set_resolv_conf(struct options *o, const char *text, struct err *e)
{
	return set_path(o->resolv_conf, text, e);
}

static int set_xdp(struct options *o, const char *text, struct err *e)
{
	static const char *const names[] = { "auto", "native", "generic", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			o->xdp = (enum option_xdp)i;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "\"%.20s\" is none of auto, native, generic, off", text);
}

static int set_store(struct options *o, const char *text, struct err *e)
{
	(void)o;
	if (!strcmp(text, "gossip"))
		return 0;
	return err_set(e, -EINVAL, "\"%.100s\" is not possible: this build keeps its state by gossip "
		       "only, so leave --store out",
		       text);
}

/* Where to listen, unlike --join: the port has no default. */
static int set_metrics(struct options *o, const char *text, struct err *e)
{
	char copy[ADDR_TEXT_MAX + 16] = "", *addr, *port;
	struct sockname at = { .port = 0 };

	if (strlen(text) < sizeof(copy))
		strcpy(copy, text);
	port = split_port(copy, &addr);
	if (!port || addr_parse(addr, &at.addr))
		return err_set(e, -EINVAL, "\"%.60s\" is no ADDR:PORT: give an IP address of this host and a "
			       "port, as in 127.0.0.1:9100", text);
	if (parse_port(port, &at.port, e))
		return -EINVAL;
	o->metrics = at;
	return 0;
}

static int set_config(struct options *o, const char *text, struct err *e)
{
	return set_path(o->config, text, e);
}

static int set_log_level(struct options *o, const char *text, struct err *e)
{
	if (log_level_parse(text, &o->log_level))
		return err_set(e, -EINVAL, "\"%.20s\" is none of error, warn, info, debug", text);
	return 0;
}

/* ---- the table of keys ---- */

#define OPTION_KEYS(X)                                                                             \
	X(attach, "attach", KEY_BOTH, set_attach)                                                  \
	X(node, "node", KEY_BOTH, set_node)                                                        \
	X(advertise, "advertise", KEY_BOTH, set_advertise)                                         \
	X(join, "join", KEY_REPEATS, set_join)                                                     \
	X(token, "token", KEY_BOTH, set_token)                                                     \
	X(token_file, "token-file", KEY_BOTH, set_token_file)                                      \
	X(vxlan_port, "vxlan-port", KEY_BOTH, set_vxlan_port)                                      \
	X(gossip_port, "gossip-port", KEY_BOTH, set_gossip_port)                                   \
	X(masquerade, "masquerade-ports", KEY_BOTH, set_masquerade_ports)                           \
	X(state_dir, "state-dir", KEY_BOTH, set_state_dir)                                         \
	X(run_dir, "run-dir", KEY_BOTH, set_run_dir)                                               \
	X(bpffs, "bpffs", KEY_BOTH, set_bpffs)                                                     \
	X(pin_dir, "pin-dir", KEY_BOTH, set_pin_dir)                                               \
	X(resolv_conf, "resolv-conf", KEY_BOTH, set_resolv_conf)                                   \
	X(xdp, "xdp", KEY_BOTH, set_xdp)                                                           \
	X(store, "store", KEY_BOTH, set_store)                                                     \
	X(metrics, "metrics", KEY_BOTH, set_metrics)                                               \
	X(log_level, "log-level", KEY_BOTH, set_log_level)                                         \
	X(config, "config", KEY_ARGS, set_config)

enum { KEY_BOTH, KEY_REPEATS, KEY_ARGS };

enum {
#define X(id, name, where, set) OPTION_##id,
	OPTION_KEYS(X)
#undef X
	OPTION_COUNT
};
_Static_assert(OPTION_COUNT <= 32, "options.given holds a bit a key");

static const struct {
	const char *name;
	int where;
	setter set;
} keys[] = {
#define X(id, name, where, set) { name, where, set },
	OPTION_KEYS(X)
#undef X
};

static bool was_given(const struct options *o, int key)
{
	return o->given & 1u << key;
}

/* `prefix` is "--" or "FILE:LINE: ": what comes before the key in a sentence. */
static int set_key(struct options *o, int key, const char *prefix, const char *text, struct err *e)
{
	struct err why = { 0 };
	int r;

	if (was_given(o, key) && keys[key].where != KEY_REPEATS)
		return err_set(e, -EINVAL, "%s%s is given twice", prefix, keys[key].name);
	r = keys[key].set(o, text, &why);
	if (r)
		return err_set(e, r, "%s%s %s", prefix, keys[key].name, why.text);
	o->given |= 1u << key;
	return 0;
}

static int find_key(const char *name, size_t len)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len))
			return i;
	return -1;
}

void options_init(struct options *o)
{
	*o = (struct options){
		.vxlan_port = OPTIONS_VXLAN_PORT,
		.gossip_port = OPTIONS_GOSSIP_PORT,
		.masquerade = { OV_MASQ_FIRST, OV_MASQ_LAST },
		.state_dir = "/var/lib/overlayd",
		.run_dir = "/run/overlayd",
		.bpffs = "/sys/fs/bpf",
		.pin_dir = "overlayd",
		.resolv_conf = "/etc/resolv.conf",
		.xdp = OPTION_XDP_AUTO,
		.log_level = LOG_LEVEL_INFO,
	};
}

void options_override(struct options *o, const struct options *over)
{
#define TAKE(id, field)                                          \
	if (was_given(over, OPTION_##id))                        \
		memcpy(&o->field, &over->field, sizeof(o->field))
	TAKE(attach, attach);
	TAKE(node, node);
	TAKE(advertise, advertise);
	TAKE(join, join);
	TAKE(join, join_count);
	TAKE(vxlan_port, vxlan_port);
	TAKE(gossip_port, gossip_port);
	TAKE(masquerade, masquerade);
	TAKE(state_dir, state_dir);
	TAKE(run_dir, run_dir);
	TAKE(bpffs, bpffs);
	TAKE(pin_dir, pin_dir);
	TAKE(resolv_conf, resolv_conf);
	TAKE(xdp, xdp);
	TAKE(metrics, metrics);
	TAKE(log_level, log_level);
	TAKE(config, config);
#undef TAKE
	/* Two ways to say one thing: either hides both of the file's. */
	if (was_given(over, OPTION_token) || was_given(over, OPTION_token_file)) {
		memcpy(o->token, over->token, sizeof(o->token));
		memcpy(o->token_file, over->token_file, sizeof(o->token_file));
		o->has_token = over->has_token;
		o->given &= ~(1u << OPTION_token | 1u << OPTION_token_file);
	}
	o->detach |= over->detach;
	o->version |= over->version;
	o->help |= over->help;
	o->given |= over->given;
}

/* ---- the file ---- */

/* inih calls back without a line number; it reads through us, so that we can count. */
struct reading {
	const char *at, *end;
	const char *name;
	unsigned int line;
	struct options *o;
	struct err *e;
};

static int complain(struct reading *in, const char *what)
{
	return err_set(in->e, -EINVAL, "%s:%u: %s", in->name, in->line, what);
}

/* fgets() over the buffer. After an error it reports the end, so that nothing more is read. */
static char *next_line(char *out, int size, void *stream)
{
	struct reading *in = stream;
	const char *newline = memchr(in->at, '\n', (size_t)(in->end - in->at));
	size_t len = (size_t)((newline ? newline : in->end) - in->at);

	if (in->at == in->end || in->e->code)
		return NULL;
	in->line++;
	if (len > LINE_MAX_LEN || len + 2 > (size_t)size) {
		complain(in, "the line is longer than 198 characters");
		return NULL;
	}
	memcpy(out, in->at, len);
	out[len] = '\0';
	in->at += len + (newline != NULL);
	if (out[strspn(out, " \t")] == '[') {
		complain(in, "sections are not used here: write `key = value` lines alone");
		return NULL;
	}
	return out;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *in = user;
	char prefix[OPTIONS_PATH_MAX + 16];
	int key = find_key(name, strlen(name));

	(void)section;
	snprintf(prefix, sizeof(prefix), "%s:%u: ", in->name, in->line);
	if (key < 0 || keys[key].where == KEY_ARGS)
		err_set(in->e, -EINVAL, "%sunknown key \"%.60s\": `overlayd --help` lists them", prefix,
			name);
	else
		set_key(in->o, key, prefix, value, in->e);
	return !in->e->code;
}

int options_parse_text(const char *text, size_t len, const char *name, struct options *o,
		       struct err *e)
{
	struct err inner = { 0 };
	struct reading in = { text, text + len, name, 0, o, &inner };
	int r;

	if (len > OPTIONS_CONFIG_MAX)
		return err_set(e, -EINVAL, "%s is larger than %d bytes: is it the right file?", name,
			       OPTIONS_CONFIG_MAX);
	if (memchr(text, '\0', len))
		return err_set(e, -EINVAL, "%s is not a text file: is it the right file?", name);
	r = ini_parse_stream(next_line, &in, on_pair, &in);
	/* inih goes on behind a line it cannot read: the first mistake may not be ours. */
	if (inner.code && (r <= 0 || (unsigned int)r >= in.line))
		return err_set(e, inner.code, "%s", inner.text);
	if (r)
		return err_set(e, r > 0 ? -EINVAL : -ENOMEM, "%s:%d: not a `key = value` line", name, r);
	return 0;
}

/* ---- the command line ---- */

static int set_flag(struct options *o, const char *name, struct err *e)
{
	if (!strcmp(name, "detach"))
		o->detach = true;
	else if (!strcmp(name, "version"))
		o->version = true;
	else if (!strcmp(name, "help"))
		o->help = true;
	else
		return err_set(e, -EINVAL, "unknown option --%.60s: `overlayd --help` lists them", name);
	return 0;
}

int options_parse_args(int argc, char *const *argv, struct options *o, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i] + 2, *equals;
		size_t len;
		int key, r;

		if (!strcmp(argv[i], "-h")) {
			o->help = true;
			continue;
		}
		if (strncmp(argv[i], "--", 2) || !*name)
			return err_set(e, -EINVAL, "\"%.60s\" is no option: overlayd takes --options "
				       "only", argv[i]);
		equals = strchr(name, '=');
		len = equals ? (size_t)(equals - name) : strlen(name);
		key = find_key(name, len);
		if (key < 0)
			r = set_flag(o, name, e);
		else if (!equals && i + 1 == argc)
			r = err_set(e, -EINVAL, "--%s needs a value", name);
		else
			r = set_key(o, key, "--", equals ? equals + 1 : argv[++i], e);
		if (r)
			return r;
	}
	return 0;
}

int options_exit_status(const struct err *e)
{
	return e->code == -EINVAL ? 2 : 1;
}

const char *options_help(void)
{
	return "Usage: overlayd --attach IFACE [OPTION]...\n"
	       "       overlayd --detach [--bpffs DIR] [--pin-dir DIR] [--run-dir DIR]\n"
	       "\n"
	       "Joins containers on many hosts into networks. Runs in the foreground.\n"
	       "\n"
	       "  --attach IFACE        the uplink: packets between hosts go through it\n"
	       "  --node NAME           this node's name (default: the host name)\n"
	       "  --advertise ADDR      address others reach it at (default: first of IFACE)\n"
	       "  --join ADDR[:PORT]    an existing node; repeatable\n"
	       "  --token TOKEN         join token, from `overlayctl cluster token`\n"
	       "  --token-file FILE     the same in a file, where `ps` does not show it\n"
	       "  --vxlan-port PORT     4789\n"
	       "  --gossip-port PORT    7946\n"
	       "  --masquerade-ports FIRST-LAST\n"
	       "                        61000-65535; of this node, for containers that call the\n"
	       "                        outside world\n"
	       "  --state-dir DIR       /var/lib/overlayd\n"
	       "  --run-dir DIR         /run/overlayd\n"
	       "  --bpffs DIR           /sys/fs/bpf\n"
	       "  --pin-dir DIR         overlayd; below BPFFS\n"
	       "  --resolv-conf FILE    /etc/resolv.conf; who is asked for names outside the cluster\n"
	       "  --xdp MODE            auto, native, generic or off\n"
	       "  --metrics ADDR:PORT   serve Prometheus' text there (default: off)\n"
	       "  --store gossip        where the cluster's state lives\n"
	       "  --config FILE         the same keys, one a line: key = value\n"
	       "                        (default: " OPTIONS_CONFIG_FILE ", if there)\n"
	       "  --log-level LEVEL     error, warn, info or debug\n"
	       "  --detach              removes every program, map, link, device, route and SA\n"
	       "                        that is ours\n"
	       "  --version, --help\n"
	       "\n"
	       "Stopping the daemon never stops traffic; only --detach or `overlayctl cluster\n"
	       "leave` takes the data plane down.\n";
}
