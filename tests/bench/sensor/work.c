/* What the measurements of the sensor make the machine do; each mode prints one line of figures.
 *
 *   work storm SECONDS TRUE      forks and executes TRUE at full speed: how often
 *   work pace SECONDS RATE TRUE  the same, RATE times a second: how often
 *   work latency COUNT TRUE      each fork, execute and wait by itself: mean, median and 99th percentile in ns
 *   work opens COUNT FILE        each open and close by itself: mean, median and 99th percentile in ns
 *   work open SECONDS FILE       opens and closes at full speed: how often
 *   work fork COUNT              makes so many children that end at once
 *   work change SECONDS RATE DIR creates and removes files, RATE changes a second: how many
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void until(long long at)
{
	struct timespec t = { at / 1000000000LL, at % 1000000000LL };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0)) {
	}
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void run(const char *program)
{
	pid_t pid = vfork();
	if (pid < 0)
		fail("vfork");
	if (!pid) {
		execl(program, program, (char *)0);
		_exit(127);
	}
	int status;
	if (waitpid(pid, &status, 0) < 0 || status)
		fail("a program that was executed");
}

static void touch(const char *file)
{
	int fd = open(file, O_RDONLY);
	if (fd < 0)
		fail(file);
	close(fd);
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

static void each(int count, const char *name, void (*step)(const char *))
{
	long long *took = calloc(count, sizeof(*took)), sum = 0;
	for (int i = 0; i < count; i++) {
		long long begun = now();
		step(name);
		took[i] = now() - begun;
		sum += took[i];
	}
	qsort(took, count, sizeof(*took), by_size);
	printf("%lld %lld %lld\n", sum / count, took[count / 2], took[(long long)count * 99 / 100]);
}

static long full_speed(int seconds, const char *name, void (*step)(const char *))
{
	long long end = now() + seconds * 1000000000LL;
	long count = 0;
	for (; now() < end; count++)
		step(name);
	return count;
}

static long pace(int seconds, int rate, const char *name)
{
	long long begun = now();
	for (long i = 0; i < (long)seconds * rate; i++) {
		until(begun + i * 1000000000LL / rate);
		run(name);
	}
	return (long)seconds * rate;
}

/* In steps of a millisecond: a sleep for each change would be the slower of the two. */
static long change(int seconds, long rate, const char *folder)
{
	long long begun = now();
	long made = 0;
	char name[4096];
	for (int step = 0; step < seconds * 1000; step++) {
		until(begun + step * 1000000LL);
		for (; made < rate * (step + 1) / 1000; made += 2) {
			snprintf(name, sizeof(name), "%s/%d-%ld", folder, getpid(), made);
			int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
			if (fd < 0)
				fail(name);
			close(fd);
			unlink(name);
		}
	}
	return made;
}

static void forks(long count)
{
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		if (!pid)
			_exit(0);
		waitpid(pid, 0, 0);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	int first = argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(mode, "storm") && argc > 3)
		printf("%ld\n", full_speed(first, argv[3], run));
	else if (!strcmp(mode, "pace") && argc > 4)
		printf("%ld\n", pace(first, atoi(argv[3]), argv[4]));
	else if (!strcmp(mode, "latency") && argc > 3)
		each(first, argv[3], run);
	else if (!strcmp(mode, "opens") && argc > 3)
		each(first, argv[3], touch);
	else if (!strcmp(mode, "open") && argc > 3)
		printf("%ld\n", full_speed(first, argv[3], touch));
	else if (!strcmp(mode, "fork"))
		forks(atol(argv[2])), puts("done");
	else if (!strcmp(mode, "change") && argc > 4)
		printf("%ld\n", change(first, atol(argv[3]), argv[4]));
	else
		return fprintf(stderr, "see the head of work.c\n"), 2;
	return 0;
}
