/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlayctl: what it asks, what it prints, and the HTTP it reads. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/ctl.h"

/* ---- a daemon that is a table ---- */

static struct {
	int status;
	const char *text;   /* the next answer */
	char asked[1024];   /* "METHOD PATH [BODY]", one a line */
	struct err error;
} daemon_;

static int fake_call(void *ctx, const char *method, const char *path, const json_t *body,
		     int *ret_status, json_t **ret_value, struct err *e)
{
	_cleanup_(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	size_t used = strlen(daemon_.asked);

	(void)ctx;
	snprintf(daemon_.asked + used, sizeof(daemon_.asked) - used, "%s %s%s%s\n", method, path,
		 text ? " " : "", text ? text : "");
	if (daemon_.error.code)
		return err_set(e, daemon_.error.code, "%s", daemon_.error.text);
	*ret_status = daemon_.status;
	*ret_value = json_loads(daemon_.text, JSON_DECODE_ANY, NULL);
	return 0;
}

static char out[16384], complaint[16384];
static const char *run_dir;

static int run(int argc, char **argv)
{
	struct ctl c = { .call = fake_call, .run_dir = &run_dir };
	int status;

	c.out = fmemopen(out, sizeof(out), "w");
	c.err = fmemopen(complaint, sizeof(complaint), "w");
	memset(out, 0, sizeof(out));
	memset(complaint, 0, sizeof(complaint));
	status = ctl_run(&c, argc, argv);
	fclose(c.out);
	fclose(c.err);
	return status;
}
#define CTL(...)                                                            \
	run((int)(sizeof((char *[]){ "", ##__VA_ARGS__ }) / sizeof(char *)), \
	    (char *[]){ "overlayctl", ##__VA_ARGS__, NULL })

static void answer(int status, const char *text)
{
	daemon_.status = status;
	daemon_.text = text;
	daemon_.asked[0] = '\0';
}

static void assert_asked(const char *what)
{
	cr_assert_str_eq(daemon_.asked, what);
}

static void assert_says(const char *text, const char *part)
{
	cr_assert(strstr(text, part), "\"%s\" does not say \"%s\"", text, part);
}

/* ---- the line ---- */

Test(ctl, create_prints_the_id_alone)
{
	answer(201, "{\"Id\":\"0123456789abcdef0123456789abcdef\"}");
	cr_assert_eq(CTL("network", "create", "--subnet", "10.10.0.0/24", "app-net"), 0);
	cr_assert_str_eq(out, "0123456789abcdef0123456789abcdef\n");
	cr_assert_str_eq(complaint, "");
	assert_asked("POST /v1/networks {\"Subnet\":\"10.10.0.0/24\",\"Name\":\"app-net\"}\n");
}

Test(ctl, options_become_the_fields_of_the_request)
{
	answer(201, "{\"Id\":\"x\"}");
	cr_assert_eq(CTL("network", "create", "app", "--opt", "encrypted", "--opt=vni=7", "--internal",
			 "--gateway=10.0.0.1", "--ip-range", "10.0.0.0/25"), 0);
	assert_asked("POST /v1/networks {\"Options\":{\"encrypted\":\"\",\"vni\":\"7\"},\"Internal\":true,"
		     "\"Gateway\":\"10.0.0.1\",\"IPRange\":\"10.0.0.0/25\",\"Name\":\"app\"}\n");
}

Test(ctl, attach_gathers_lists_and_labels)
{
	answer(201, "{\"ID\":\"abc\"}");
	cr_assert_eq(CTL("endpoint", "attach", "--network", "app", "--netns", "c1", "--alias", "a",
			 "--alias", "b", "--label", "k=v=w", "--ip", "10.0.0.5"), 0);
	assert_asked("POST /v1/endpoints {\"Network\":\"app\",\"Netns\":\"c1\",\"Aliases\":[\"a\",\"b\"],"
		     "\"Labels\":{\"k\":\"v=w\"},\"IP\":\"10.0.0.5\"}\n");
	cr_assert_str_eq(out, "abc\n");
}

Test(ctl, attach_as_a_backend)
{
	answer(201, "{\"ID\":\"abc\"}");
	cr_assert_eq(CTL("endpoint", "attach", "--network", "app", "--netns", "c1", "--service", "web",
			 "--weight", "5"), 0);
	assert_asked("POST /v1/endpoints {\"Network\":\"app\",\"Netns\":\"c1\",\"Service\":\"web\","
		     "\"Weight\":\"5\"}\n");
}

/* ---- services ---- */

Test(ctl, service_create_gathers_its_options_and_prints_the_id_alone)
{
	answer(201, "{\"ID\":\"0123456789abcdef0123456789abcdef\",\"Spec\":{}}");
	cr_assert_eq(CTL("service", "create", "--name", "web", "--network", "app", "--endpoint-mode",
			 "vip", "--lb", "rr", "--affinity", "client-ip=60", "--prefer", "local", "--vip",
			 "10.0.0.9", "--port", "80:8080", "--port", "53/udp", "--health", "tcp:80",
			 "--health-interval", "3"), 0);
	cr_assert_str_eq(out, "0123456789abcdef0123456789abcdef\n");
	assert_asked("POST /v1/services {\"Name\":\"web\",\"Network\":\"app\",\"EndpointMode\":\"vip\","
		     "\"Algorithm\":\"rr\",\"Affinity\":\"client-ip=60\",\"Prefer\":\"local\","
		     "\"VIP\":\"10.0.0.9\",\"Ports\":[\"80:8080\",\"53/udp\"],\"Health\":\"tcp:80\","
		     "\"HealthInterval\":\"3\"}\n");
}

Test(ctl, published_ports_are_sent_as_typed_for_the_daemon_to_judge)
{
	answer(400, "{\"Error\":\"no such port\"}");
	cr_assert_eq(CTL("service", "create", "--name", "web", "--network", "app", "--opt", "dsr",
			 "--publish", "published=80,target=80", "--publish", "0:x"), 1);
	assert_asked("POST /v1/services {\"Name\":\"web\",\"Network\":\"app\",\"Options\":{\"dsr\":\"\"},"
		     "\"Publish\":[\"published=80,target=80\",\"0:x\"]}\n");
	cr_assert_str_eq(complaint, "overlayctl: no such port\n");
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "update", "web", "--publish-rm", "80/tcp", "--publish-add",
			 "81:80", "--publish-rm", "82"), 0);
	assert_asked("PATCH /v1/services/web {\"PublishRm\":[\"80/tcp\",\"82\"],"
		     "\"PublishAdd\":[\"81:80\"]}\n");
	cr_assert_eq(CTL("service", "update", "web", "--publish", "81:80"), 2);
	assert_says(complaint, "--publish");
	cr_assert_eq(CTL("service", "create", "--name", "web", "--network", "app", "--publish-rm",
			 "80"), 2);
}

Test(ctl, a_long_list_of_ports_is_printed_whole)
{
	char ports[1000], row[1200];

	memset(ports, 'p', sizeof(ports));
	ports[sizeof(ports) - 1] = '\0';
	snprintf(row, sizeof(row), "[{\"ID\":\"0\",\"Name\":\"web\",\"Ports\":\"%s\"}]", ports);
	answer(200, row);
	cr_assert_eq(CTL("service", "ls"), 0);
	assert_says(out, ports);
}

Test(ctl, service_create_needs_a_name_and_a_network)
{
	answer(201, "{}");
	cr_assert_eq(CTL("service", "create", "--network", "app"), 2);
	assert_says(complaint, "--name");
	cr_assert_eq(CTL("service", "create", "--name", "web"), 2);
	assert_says(complaint, "--network");
	cr_assert_eq(CTL("service", "create", "--name", "web", "--network", "app", "more"), 2);
	assert_asked("");
}

Test(ctl, services_are_listed_like_dockers)
{
	answer(200, "[{\"ID\":\"0123456789abcdef0123456789abcdef\",\"Name\":\"web\",\"Network\":\"app\","
		    "\"Mode\":\"vip\",\"Replicas\":\"2/3\",\"VIP\":\"10.0.0.9\",\"Ports\":\"80/tcp\"}]");
	cr_assert_eq(CTL("service", "ls"), 0);
	assert_asked("GET /v1/services\n");
	assert_says(out, "ID             NAME   NETWORK   MODE   REPLICAS   VIP        PORTS\n");
	assert_says(out, "0123456789ab   web    app       vip    2/3        10.0.0.9   80/tcp\n");
}

Test(ctl, service_inspect_prints_an_array_and_rm_the_names)
{
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "inspect", "web", "a/b"), 0);
	assert_asked("GET /v1/services/web\nGET /v1/services/a%2Fb\n");
	cr_assert_eq(out[0], '[');
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "rm", "web", "db"), 0);
	assert_asked("DELETE /v1/services/web\nDELETE /v1/services/db\n");
	cr_assert_str_eq(out, "web\ndb\n");
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("--json", "service", "rm", "web", "db"), 0);
	cr_assert_eq(out[0], '[');
	assert_says(out, "\"ID\": \"x\"");
}

Test(ctl, service_update_sends_what_is_to_change)
{
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "update", "web", "--lb", "rr", "--port", "-80", "--port=+81"), 0);
	assert_asked("PATCH /v1/services/web {\"Algorithm\":\"rr\",\"Ports\":[\"-80\",\"+81\"]}\n");
	cr_assert_str_eq(out, "web\n");
	answer(200, "{}");
	cr_assert_eq(CTL("service", "update", "web"), 2);
	assert_says(complaint, "what to change");
	cr_assert_eq(CTL("service", "update", "web", "--vip", "10.0.0.1"), 2);
	assert_asked("");
}

Test(ctl, backends_join_leave_and_are_drained)
{
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "join", "web", "c1", "--weight", "3"), 0);
	assert_asked("PATCH /v1/endpoints/c1 {\"Weight\":\"3\",\"Service\":\"web\"}\n");
	cr_assert_str_eq(out, "c1\n");
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "leave", "c1"), 0);
	assert_asked("PATCH /v1/endpoints/c1 {\"Service\":\"\"}\n");
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "drain", "c1"), 0);
	assert_asked("PATCH /v1/endpoints/c1 {\"Drain\":true}\n");
	answer(200, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("service", "undrain", "c1", "--json"), 0);
	assert_asked("PATCH /v1/endpoints/c1 {\"Drain\":false}\n");
	cr_assert_str_eq(out, "{\n    \"ID\": \"x\"\n}\n");
	answer(200, "{}");
	cr_assert_eq(CTL("service", "join", "web"), 2);
	assert_asked("");
}

Test(ctl, a_refused_drain_is_said)
{
	answer(409, "{\"Error\":\"endpoint c1 lives on node h2\"}");
	cr_assert_eq(CTL("service", "drain", "c1"), 1);
	cr_assert_str_eq(complaint, "overlayctl: endpoint c1 lives on node h2\n");
	cr_assert_str_eq(out, "");
}

Test(ctl, what_balances_is_a_table_like_ipvsadms)
{
	answer(200, "[{\"VIP\":\"10.0.0.9\",\"Service\":\"web\",\"Network\":\"app\","
		    "\"Algorithm\":\"rr\",\"Backend\":\"10.0.0.2\",\"Name\":\"c1\",\"Weight\":1,"
		    "\"Active\":3,\"Total\":40}]");
	cr_assert_eq(CTL("lb", "ls", "--service", "a b"), 0);
	assert_asked("GET /v1/lb?service=a%20b\n");
	assert_says(out, "VIP        SERVICE   NETWORK   ALGORITHM   BACKEND    NAME   WEIGHT   ACTIVE   "
			 "TOTAL\n");
	assert_says(out, "10.0.0.9   web       app       rr          10.0.0.2   c1          1        3   "
			 "   40\n");
	answer(200, "[]");
	cr_assert_eq(CTL("lb", "ls", "--json"), 0);
	assert_asked("GET /v1/lb\n");
	cr_assert_str_eq(out, "[]\n");
}

Test(ctl, rules_are_a_table_with_their_hits)
{
	answer(200, "[{\"ID\":\"0123456789abcdef0123456789abcdef\",\"Network\":\"app\",\"Action\":\"deny\","
		    "\"From\":\"any\",\"To\":\"service=api\",\"Ports\":\"80/tcp, icmp\",\"Hits\":12}]");
	cr_assert_eq(CTL("policy", "ls", "--network", "app"), 0);
	assert_asked("GET /v1/policies?network=app\n");
	assert_says(out, "ID             NETWORK   ACTION   FROM   TO            PORTS          HITS\n");
	assert_says(out, "0123456789ab   app       deny     any    service=api   80/tcp, icmp     12\n");
}

Test(ctl, a_rule_is_sent_as_typed_and_its_id_printed_alone)
{
	answer(201, "{\"ID\":\"0123456789abcdef0123456789abcdef\"}");
	cr_assert_eq(CTL("policy", "allow", "--network", "app", "--from", "label=a=b", "--to", "any",
			 "--port", "80", "--port", "53/udp"), 0);
	assert_asked("POST /v1/policies {\"Network\":\"app\",\"From\":\"label=a=b\",\"To\":\"any\","
		     "\"Ports\":[\"80\",\"53/udp\"],\"Action\":\"allow\"}\n");
	cr_assert_str_eq(out, "0123456789abcdef0123456789abcdef\n");
	cr_assert_eq(CTL("policy", "deny", "--network", "app", "--to", "any"), 2);
	answer(200, "{\"ID\":\"0123\"}");
	cr_assert_eq(CTL("policy", "rm", "0123"), 0);
	assert_asked("DELETE /v1/policies/0123\n");
	answer(200, "{\"Default\":\"deny\",\"Audit\":true,\"Rules\":0}");
	cr_assert_eq(CTL("policy", "default", "--network", "app", "deny", "--audit", "on"), 0);
	assert_asked("POST /v1/policies/default {\"Network\":\"app\",\"Audit\":\"on\",\"Action\":\"deny\"}\n");
	cr_assert_str_eq(out, "deny, audit\n");
}

Test(ctl, keys_are_a_table_of_peers)
{
	answer(200, "[{\"Peer\":\"b\",\"Epoch\":5,\"PeerEpoch\":4,\"Age\":\"3h12m\",\"Sent\":10,"
		    "\"Received\":9,\"Ready\":\"in\",\"Replayed\":1,\"Failed\":2,"
		    "\"NoSA\":3,\"Cleartext\":4}]");
	cr_assert_eq(CTL("key", "ls"), 0);
	assert_asked("GET /v1/keys\n");
	assert_says(out, "PEER   EPOCH   PEER EPOCH   AGE     SENT   RECEIVED   READY   REPLAYED   FAILED"
			 "   NO SA   CLEARTEXT\n");
	assert_says(out, "b          5            4   3h12m     10          9   in             1        2"
			 "       3           4\n");
}

Test(ctl, rotating_keys_says_which_epoch_begins)
{
	answer(200, "{\"Epoch\":6}");
	cr_assert_eq(CTL("key", "rotate", "--network", "app"), 0);
	assert_asked("POST /v1/keys/rotate {\"Network\":\"app\"}\n");
	cr_assert_str_eq(out, "epoch 6\n");
	answer(200, "{\"Epoch\":7}");
	cr_assert_eq(CTL("key", "rotate", "--json"), 0);
	assert_says(out, "\"Epoch\": 7");
	cr_assert_eq(CTL("key", "rotate", "--help"), 0);
	assert_says(out, "the keys are of pairs of nodes, so all are replaced");
}

Test(ctl, a_relative_namespace_path_is_made_absolute)
{
	char cwd[512], want[1024];

	cr_assert_not_null(getcwd(cwd, sizeof(cwd)));
	snprintf(want, sizeof(want), "POST /v1/endpoints {\"Network\":\"n\",\"Netns\":\"%s/ns/c1\"}\n", cwd);
	answer(201, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("endpoint", "attach", "--network", "n", "--netns", "ns/c1"), 0);
	assert_asked(want);
	answer(201, "{\"ID\":\"x\"}");
	cr_assert_eq(CTL("endpoint", "attach", "--network", "n", "--netns", "4711"), 0);
	assert_asked("POST /v1/endpoints {\"Network\":\"n\",\"Netns\":\"4711\"}\n");
}

Test(ctl, the_namespace_of_the_command_itself_is_refused)
{
	answer(201, "{}");
	cr_assert_eq(CTL("endpoint", "attach", "--network", "n", "--netns", "/proc/self/ns/net"), 2);
	assert_says(complaint, "PID");
	assert_asked("");
}

Test(ctl, globals_may_stand_anywhere)
{
	answer(200, "[]");
	cr_assert_eq(CTL("--run-dir", "/a", "network", "--json", "ls"), 0);
	cr_assert_str_eq(run_dir, "/a");
	cr_assert_str_eq(out, "[]\n");
	cr_assert_eq(CTL("network", "ls", "--run-dir=/b"), 0);
	cr_assert_str_eq(run_dir, "/b");
}

Test(ctl, names_are_escaped_in_paths)
{
	answer(200, "{}");
	cr_assert_eq(CTL("network", "inspect", "a/b ?%"), 0);
	assert_asked("GET /v1/networks/a%2Fb%20%3F%25\n");
	answer(200, "[]");
	cr_assert_eq(CTL("endpoint", "ls", "--network", "a&b"), 0);
	assert_asked("GET /v1/endpoints?network=a%26b\n");
}

Test(ctl, what_follows_two_dashes_is_no_option)
{
	answer(200, "{}");
	cr_assert_eq(CTL("network", "inspect", "--", "--json"), 0);
	assert_asked("GET /v1/networks/--json\n");
}

Test(ctl, rotate_is_a_post)
{
	answer(200, "{\"Token\":\"ov1-x\"}");
	cr_assert_eq(CTL("cluster", "token"), 0);
	assert_asked("GET /v1/cluster/token\n");
	answer(200, "{\"Token\":\"ov1-y\"}");
	cr_assert_eq(CTL("cluster", "token", "--rotate"), 0);
	assert_asked("POST /v1/cluster/token\n");
	cr_assert_str_eq(out, "ov1-y\n");
}

static void wrong_usage(int status, const char *part)
{
	cr_assert_eq(status, 2);
	assert_says(complaint, part);
	assert_asked("");
}

Test(ctl, wrong_usage_ends_with_2_and_asks_nothing)
{
	answer(200, "{}");
	wrong_usage(CTL(), "give a command");
	wrong_usage(CTL("frobnicate"), "network create");
	wrong_usage(CTL("network"), "one word more");
	wrong_usage(CTL("network", "frob"), "network frob");
	wrong_usage(CTL("network", "create"), "NAME");
	wrong_usage(CTL("network", "create", "a", "b"), "\"b\"");
	wrong_usage(CTL("network", "create", "--colour", "red", "a"), "--colour");
	wrong_usage(CTL("network", "create", "--subnet"), "--subnet needs a value");
	wrong_usage(CTL("network", "create", "--subnet", "a", "--subnet", "b", "n"), "twice");
	wrong_usage(CTL("network", "create", "--internal=no", "n"), "--internal");
	wrong_usage(CTL("endpoint", "attach", "--netns", "c1"), "--network");
	wrong_usage(CTL("endpoint", "attach", "--network", "n", "--netns", "c", "--label", "=x"), "--label");
}

Test(ctl, help_is_no_error)
{
	answer(200, "{}");
	cr_assert_eq(CTL("help"), 0);
	assert_says(out, "endpoint attach");
	cr_assert_eq(CTL("--help"), 0);
	assert_says(out, "endpoint attach");
	cr_assert_eq(CTL("network", "create", "--help"), 0);
	assert_says(out, "--subnet CIDR");
	cr_assert_eq(CTL("help", "network", "create"), 0);
	assert_says(out, "--subnet CIDR");
	cr_assert_eq(CTL("--version"), 0);
	assert_says(out, "overlayctl 0.");
	assert_asked("");
}

/* ---- what is printed ---- */

Test(ctl, networks_are_listed_in_dockers_columns)
{
	answer(200, "[{\"Id\":\"0123456789abcdef0123456789abcdef\",\"Name\":\"app\",\"Driver\":\"overlayd\","
		    "\"Scope\":\"swarm\",\"Subnet\":\"10.10.0.0/24\",\"VNI\":4096,\"MTU\":1450,"
		    "\"Encrypted\":false,\"Endpoints\":2},{\"Name\":\"key\",\"MTU\":1396,"
		    "\"Encrypted\":true,\"Endpoints\":3}]");
	cr_assert_eq(CTL("network", "ls"), 0);
	assert_says(out, "NETWORK ID     NAME   DRIVER     SCOPE   SUBNET");
	assert_says(out, "0123456789ab   app    overlayd   swarm   10.10.0.0/24   4096   1450   no                  2\n");
	assert_says(out, "1396   yes                 3\n");
}

Test(ctl, an_empty_listing_has_its_headings)
{
	answer(200, "[]");
	cr_assert_eq(CTL("endpoint", "ls"), 0);
	assert_says(out, "ENDPOINT ID   NAME   NETWORK");
}

Test(ctl, this_node_is_marked)
{
	answer(200, "[{\"ID\":\"a\",\"Name\":\"h1\",\"Self\":true,\"Status\":\"alive\"},"
		    "{\"ID\":\"b\",\"Name\":\"h2\",\"Self\":false,\"Status\":\"dead\"}]");
	cr_assert_eq(CTL("node", "ls"), 0);
	assert_says(out, "h1 *");
	cr_assert_null(strstr(out, "h2 *"));
	cr_assert_null(strchr(out, '\033'), "colour without a terminal");
}

Test(ctl, inspect_prints_an_array_of_what_exists)
{
	json_t *value;

	answer(200, "{\"Name\":\"app\"}");
	cr_assert_eq(CTL("network", "inspect", "app", "app"), 0);
	value = json_loads(out, 0, NULL);
	cr_assert_eq(json_array_size(value), 2);
	json_decref(value);
	answer(404, "{\"Error\":\"there is no network \\\"x\\\"\"}");
	cr_assert_eq(CTL("network", "inspect", "x"), 1);
	cr_assert_str_eq(complaint, "overlayctl: there is no network \"x\"\n");
	cr_assert_str_eq(out, "[]\n");
}

Test(ctl, removed_things_are_named)
{
	answer(200, "{}");
	cr_assert_eq(CTL("endpoint", "detach", "a", "b"), 0);
	assert_asked("DELETE /v1/endpoints/a\nDELETE /v1/endpoints/b\n");
	cr_assert_str_eq(out, "a\nb\n");
	answer(409, "{\"Error\":\"in use\"}");
	cr_assert_eq(CTL("network", "rm", "a"), 1);
	cr_assert_str_eq(out, "");
}

Test(ctl, repair_says_what_it_mended)
{
	answer(200, "{\"Count\":3,\"Mended\":[{\"Kind\":\"map\",\"Name\":\"network app\",\"What\":"
		    "\"a row was missing\"}],\"Failed\":[]}");
	cr_assert_eq(CTL("repair", "--network", "app"), 0);
	assert_asked("POST /v1/repair {\"Network\":\"app\"}\n");
	cr_assert_str_eq(out, "mended map: network app: a row was missing\nmended 2 more\n");
	answer(200, "{\"Count\":0,\"Mended\":[],\"Failed\":[]}");
	cr_assert_eq(CTL("repair"), 0);
	cr_assert_str_eq(out, "nothing was wrong\n");
}

Test(ctl, repair_fails_when_something_is_wrong_still)
{
	answer(200, "{\"Count\":0,\"Mended\":[],\"Failed\":[\"a device is in the way\"]}");
	cr_assert_eq(CTL("repair"), 1);
	cr_assert_str_eq(complaint, "overlayctl: a device is in the way\n");
	cr_assert_str_eq(out, "");
	cr_assert_eq(CTL("--json", "repair"), 1);
	assert_says(out, "a device is in the way");
}

Test(ctl, an_error_is_one_sentence_and_status_1)
{
	answer(409, "{\"Error\":\"taken\\n\\u001b[31m\"}");
	cr_assert_eq(CTL("network", "create", "n"), 1);
	cr_assert_str_eq(complaint, "overlayctl: taken??[31m\n");
	cr_assert_str_eq(out, "");
	answer(500, "[]");
	cr_assert_eq(CTL("network", "create", "n"), 1);
	assert_says(complaint, "status 500");
}

Test(ctl, drops_advise_only_on_what_was_counted)
{
	answer(200, "{\"Drops\":[{\"Name\":\"DROP_A\",\"Packets\":2,\"Bytes\":120,\"Meaning\":\"m-a\","
		    "\"Mend\":\"do-a\"},{\"Name\":\"DROP_B\",\"Packets\":0,\"Bytes\":0,\"Meaning\":\"m-b\","
		    "\"Mend\":\"do-b\"}],\"Verdicts\":[]}");
	cr_assert_eq(CTL("drops"), 0);
	assert_says(out, "m-b");
	assert_says(out, "DROP_A: do-a");
	cr_assert_null(strstr(out, "do-b"));
}

/* ---- trace ---- */

#define TRACE_STEPS                                                                               \
	"\"Steps\":[{\"Node\":\"h1\",\"Program\":\"ov_endpoint\",\"Text\":\"sent by a\"},"              \
	"{\"Node\":\"h1\",\"Program\":\"\",\"Text\":\"on the wire\"},"                                  \
	"{\"Node\":\"h2\",\"Program\":\"ov_uplink\",\"Text\":\"bad \\u001b[2J\"}],"

Test(ctl, trace_shows_the_way_node_by_node)
{
	answer(200, "{" TRACE_STEPS "\"Verdict\":\"FWD_DECAP\",\"Meaning\":\"delivered\","
		    "\"Reason\":\"\",\"Mend\":\"\",\"Delivered\":true}");
	cr_assert_eq(CTL("trace", "--from", "a b", "--to", "web:80/tcp", "--size", "100"), 0);
	assert_asked("GET /v1/trace?from=a%20b&to=web%3A80%2Ftcp&size=100\n");
	assert_says(out, "node h1\n  ov_endpoint  sent by a\n               on the wire\nnode h2\n");
	assert_says(out, "FWD_DECAP: delivered");
	cr_assert_null(strchr(out, '\033'), "a text steers the terminal");
}

Test(ctl, trace_of_what_is_not_delivered_has_a_status_and_a_mend)
{
	answer(200, "{\"Steps\":[],\"Verdict\":\"FWD_RESET\",\"Meaning\":\"answered\","
		    "\"Reason\":\"DROP_NO_PORT\",\"ReasonMeaning\":\"no such port\","
		    "\"Mend\":\"declare it\",\"Delivered\":false}");
	cr_assert_eq(CTL("trace", "--from", "a", "--to", "web:81"), 1);
	assert_says(out, "because of DROP_NO_PORT: no such port");
	assert_says(out, "to mend it: declare it");
	cr_assert_eq(CTL("trace", "--from", "a"), 2);
	assert_says(complaint, "--to");
}

Test(ctl, status_counts_repairs_by_kind)
{
	answer(200, "{\"Repairs\":{\"Total\":3,\"Kinds\":{\"device\":0,\"map\":2,\"dns\":1},\"Last\":"
		    "\"2026-01-02T03:04:05.000Z\"}}");
	cr_assert_eq(CTL("status"), 0);
	assert_says(out, "Repairs    2 map, 1 dns, the last at 2026-01-02T03:04:05.000Z\n");
	answer(200, "{\"Repairs\":{\"Total\":0,\"Kinds\":{\"map\":0},\"Last\":\"\"}}");
	cr_assert_eq(CTL("status"), 0);
	assert_says(out, "Repairs    none was needed\n");
}

Test(ctl, doctor_shows_mends_of_what_does_not_pass_and_fails_when_something_failed)
{
	answer(200, "{\"Healthy\":false,\"Findings\":["
		    "{\"Step\":\"kernel\",\"Result\":\"pass\",\"Seen\":\"good\",\"Mend\":\"m-0\"},"
		    "{\"Step\":\"vxlan\",\"Result\":\"fail\",\"Seen\":\"b\\u001bad\",\"Mend\":\"m-1\"}]}");
	cr_assert_eq(CTL("doctor"), 1);
	assert_says(out, "pass  kernel        good\n");
	assert_says(out, "fail  vxlan         b?ad\n");
	assert_says(out, "-> m-1\n");
	cr_assert_null(strstr(out, "m-0"));
	answer(200, "{\"Healthy\":true,\"Findings\":[{\"Step\":\"bpffs\",\"Result\":\"warn\","
		    "\"Seen\":\"odd\",\"Mend\":\"m-2\"}]}");
	cr_assert_eq(CTL("doctor"), 0);
	assert_says(out, "warn  bpffs         odd\n");
	assert_says(out, "-> m-2\n");
}

Test(ctl, doctor_does_not_guess_about_a_daemon_that_it_may_not_ask)
{
	err_set(&daemon_.error, -EACCES, "no permission: run this as root");
	cr_assert_eq(CTL("doctor"), 1);
	assert_says(complaint, "run this as root");
	cr_assert_str_empty(out);
}

Test(ctl, drops_takes_one_filter)
{
	answer(200, "{\"Drops\":[],\"Verdicts\":[]}");
	cr_assert_eq(CTL("drops", "--network", "a b"), 0);
	assert_asked("GET /v1/drops?network=a%20b\n");
	answer(200, "{\"Drops\":[],\"Verdicts\":[]}");
	cr_assert_eq(CTL("drops", "--endpoint", "one"), 0);
	assert_asked("GET /v1/drops?endpoint=one\n");
	cr_assert_eq(CTL("drops", "--endpoint", "one", "--network", "a"), EXIT_WRONG_USAGE);
}

#define TRAFFIC(sent) "{\"Sent\":{\"Packets\":" sent ",\"Bytes\":" sent "00}}"
Test(ctl, top_prints_one_table_where_there_is_no_terminal)
{
	answer(200, "{\"Time\":\"now\",\"Endpoints\":[{\"ID\":\"1\",\"Name\":\"one\\u001b\",\"Network\":\"app\","
		    "\"Traffic\":" TRAFFIC("5") "}],\"Services\":[{\"ID\":\"2\",\"Name\":\"web\",\"Network\":\"app\","
		    "\"Active\":1500,\"Total\":9,\"Traffic\":" TRAFFIC("5") "}]}");
	cr_assert_eq(CTL("top", "--interval", "1", "--network", "app"), 0, "%s", complaint);
	assert_asked("GET /v1/traffic?network=app\nGET /v1/traffic?network=app\n");
	assert_says(out, "one? ");
	assert_says(out, "1.5k");
	cr_assert_null(strchr(out, 033), "no escape sequence in a file");
}

Test(ctl, top_with_json_says_rates_a_line)
{
	json_t *line;

	answer(200, "{\"Time\":\"now\",\"Endpoints\":[{\"ID\":\"1\",\"Traffic\":" TRAFFIC("5") "}],\"Services\":[]}");
	cr_assert_eq(CTL("--json", "top", "--once"), 0);
	line = json_loads(out, 0, NULL);
	cr_assert_not_null(line, "one object a line: %s", out);
	cr_assert_not_null(json_object_get(json_object_get(json_array_get(json_object_get(line, "Endpoints"), 0),
							   "PerSecond"), "SentBytes"));
	json_decref(line);
}

Test(ctl, top_refuses_what_is_no_interval)
{
	cr_assert_eq(CTL("top", "--interval", "0"), EXIT_WRONG_USAGE);
	assert_says(complaint, "--interval \"0\"");
	cr_assert_eq(CTL("top", "--interval", "1x"), EXIT_WRONG_USAGE);
	cr_assert_eq(CTL("top", "--interval", "-1"), EXIT_WRONG_USAGE);
}

Test(ctl, status_fits_one_screen)
{
	int lines = 0;

	answer(200, "{\"Version\":\"0.1.0\",\"Node\":{\"Name\":\"h1\",\"Address\":\"10.99.0.1\"},"
		    "\"Uplink\":{\"Name\":\"eth0\",\"MTU\":1500},\"XDP\":{\"Mode\":\"off\",\"Why\":\"veth\"},"
		    "\"Masquerade\":{\"First\":61000,\"Last\":65535},"
		    "\"KeyRing\":{\"Epoch\":7,\"Phase\":\"added\",\"Confirmed\":2,\"Nodes\":3},"
		    "\"Peers\":{\"Alive\":2},\"Warnings\":[\"the disk is full\"]}");
	cr_assert_eq(CTL("status"), 0);
	assert_says(out, "h1 at 10.99.0.1");
	assert_says(out, "off: veth");
	assert_says(out, "2 alive");
	assert_says(out, "ports 61000 to 65535");
	assert_says(out, "added, epoch 7; confirmed by 2 of 3 nodes");
	assert_says(out, "the disk is full");
	for (const char *p = out; *p; p++)
		lines += *p == '\n';
	cr_assert_leq(lines, 24);
}
