// What this disk and this kernel allow at best, for `meshbench mailbox`; prints one line of JSON.
// build: gcc -O2 floor.c -o floor
// usage: floor DIRECTORY SECONDS BYTES disk     one writer appends BYTES to a file and makes it durable, again and again
//        floor DIRECTORY SECONDS BYTES quorum   one of three processes hands BYTES to two others over Unix sockets; each
//                                               appends and makes durable; two of three are enough
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, BYTES_MAX = 1 << 20 };
static char record[BYTES_MAX];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static int log_file(const char *folder, int number) {
  char path[4096];
  snprintf(path, sizeof path, "%s/floor-%d-%d", folder, (int)getpid(), number);
  int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  check(file >= 0, path);
  unlink(path);
  return file;
}

static void append(int file, size_t bytes) {
  check(write(file, record, bytes) == (ssize_t)bytes, "write");
  check(fdatasync(file) == 0, "fdatasync");
}

static void read_all(int socket, char *to, size_t bytes) {
  for (size_t had = 0; had < bytes;) {
    ssize_t count = read(socket, to + had, bytes - had);
    if (count <= 0) _exit(0);  // the leader has gone
    had += count;
  }
}

static int follower(const char *folder, int number, size_t bytes) {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    close(ends[0]);
    int file = log_file(folder, number);
    for (;;) {
      read_all(ends[1], record, bytes);
      append(file, bytes);
      if (write(ends[1], "a", 1) != 1) _exit(0);
    }
  }
  close(ends[1]);
  return ends[0];
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 5) return fprintf(stderr, "usage: floor DIRECTORY SECONDS BYTES disk|quorum\n"), 2;
  const char *folder = arguments[1];
  double seconds = atof(arguments[2]);
  size_t bytes = strtoul(arguments[3], NULL, 10);
  int is_quorum = strcmp(arguments[4], "quorum") == 0;
  check(bytes > 0 && bytes <= BYTES_MAX, "BYTES");
  signal(SIGPIPE, SIG_IGN);
  int followers[2] = {-1, -1}, owed[2] = {0, 0};
  for (int i = 0; is_quorum && i < 2; i++) followers[i] = follower(folder, i + 1, bytes);
  int file = log_file(folder, 0);
  double *times = malloc(SAMPLES * sizeof *times);
  size_t n = 0;
  char answer;
  double start = now();
  while (now() - start < seconds && n < SAMPLES) {
    double began = now();
    for (int i = 0; is_quorum && i < 2; i++) {
      check(write(followers[i], record, bytes) == (ssize_t)bytes, "write to a follower");
      owed[i]++;
    }
    append(file, bytes);
    // The own disk and one follower. The slower one answers while the next record is under way.
    while (is_quorum && owed[0] > 0 && owed[1] > 0) {
      fd_set ready;
      FD_ZERO(&ready);
      for (int i = 0; i < 2; i++) FD_SET(followers[i], &ready);
      int last = followers[0] > followers[1] ? followers[0] : followers[1];
      check(select(last + 1, &ready, NULL, NULL, NULL) > 0, "select");
      for (int i = 0; i < 2; i++) {
        if (!FD_ISSET(followers[i], &ready)) continue;
        read_all(followers[i], &answer, 1);
        owed[i]--;
      }
    }
    times[n++] = now() - began;
  }
  double elapsed = now() - start;
  qsort(times, n, sizeof *times, ascending);
  printf("{\"bench\":\"floor\",\"kind\":\"%s\",\"messages_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}\n", arguments[4],
         n / elapsed, times[n / 2] * 1e6, times[n * 99 / 100] * 1e6);
  for (int i = 0; is_quorum && i < 2; i++) close(followers[i]);
  while (wait(NULL) > 0) {}
  return 0;
}
