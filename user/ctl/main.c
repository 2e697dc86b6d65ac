/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "ctl.h"

/* https://no-color.org: set and not empty, whatever its value. */
static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
}

int main(int argc, char **argv)
{
	struct client client = {
		.run_dir = "/run/overlayd",
		.progress = isatty(STDERR_FILENO) ? stderr : NULL,
	};
	struct ctl c = {
		.out = stdout,
		.err = stderr,
		.colour = wants_colour(),
		.call = client_call,
		.stream = client_stream,
		.ctx = &client,
		.run_dir = &client.run_dir,
		.stop = &client.stop,
	};
	int status = ctl_run(&c, argc, argv);

	if (fflush(stdout) || ferror(stdout)) /* a full disk is a failure too */
		status = status ? status : ctl_error(&c, "cannot write the output");
	return status;
}
