/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "look.h"

#include <ctype.h>
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "maps/types.h"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void closefilep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static bool is_called(const char *pid, const char *name)
{
	char path[300], is[64] = "";
	_cleanup_(closefilep) FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(is, sizeof(is), f))
		return false;
	is[strcspn(is, "\n")] = '\0';
	return !strcmp(is, name);
}

unsigned int look_for_process(const char *name)
{
	_cleanup_(closedirp) DIR *d = opendir("/proc");
	unsigned int found = 0;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		found += isdigit((unsigned char)entry->d_name[0]) && is_called(entry->d_name, name);
	return found;
}

bool look_for_socket(const char *run_dir)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/overlayd.sock", run_dir);
	return !stat(path, &st) && S_ISSOCK(st.st_mode);
}

bool look_for_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned int)fs.f_type == BPF_FS_MAGIC;
}

unsigned int look_for_pins(const char *pin_dir)
{
	_cleanup_(closedirp) DIR *d = NULL;
	unsigned int found = 0;
	struct dirent *entry;
	char path[300];

	snprintf(path, sizeof(path), "%s/v%d", pin_dir, OV_FORMAT);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		found += entry->d_name[0] != '.' && strcmp(entry->d_name, "prog") &&
			 strcmp(entry->d_name, "link");
	return found;
}

bool look_for_listener(uint16_t port)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/net/tcp", "re");
	unsigned int local, state;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %*x:%x %*x:%*x %x", &local, &state) == 2 && local == port &&
		    state == 0x0a) /* TCP_LISTEN */
			return true;
	return false;
}
