// A client of JetStream, for scripts/bench-mailbox; prints one line of JSON.
// build: gcc -O2 jetstream.c -o jetstream -lnats      usage: jetstream URL SECONDS BYTES REPLICAS IN_FLIGHT
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void check(natsStatus status, const char *what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 6) return fprintf(stderr, "usage: jetstream URL SECONDS BYTES REPLICAS IN_FLIGHT\n"), 2;
  double seconds = atof(arguments[2]);
  int bytes = atoi(arguments[3]), replicas = atoi(arguments[4]), in_flight = atoi(arguments[5]);
  natsOptions *options;
  natsConnection *connection;
  check(natsOptions_Create(&options), "options");
  check(natsOptions_SetURL(options, arguments[1]), "url");
  if (in_flight == 1) natsOptions_SetSendAsap(options, true);
  check(natsConnection_Connect(&connection, options), "connect");
  jsOptions settings;
  jsOptions_Init(&settings);
  settings.PublishAsync.MaxPending = in_flight;
  settings.PublishAsync.StallWait = 10000;
  jsCtx *js;
  check(natsConnection_JetStream(&js, connection, &settings), "jetstream");
  jsStreamConfig stream;
  jsStreamConfig_Init(&stream);
  const char *subjects[1] = {"m.>"};
  stream.Name = "M";
  stream.Subjects = subjects;
  stream.SubjectsLen = 1;
  stream.Storage = js_FileStorage;
  stream.Replicas = replicas;
  natsStatus status = NATS_ERR;
  // The servers of a cluster need a while to choose their leader.
  for (int i = 0; i < 100 && status != NATS_OK; i++, usleep(200000)) status = js_AddStream(NULL, js, &stream, NULL, NULL);
  check(status, "stream");
  sleep(2);
  char *body = malloc(bytes);
  memset(body, 'a', bytes);
  double *times = malloc(SAMPLES * sizeof *times);
  size_t n = 0;
  double start = now();
  while (now() - start < seconds && (in_flight > 1 || n < SAMPLES)) {
    double began = now();
    if (in_flight == 1) {
      jsPubAck *acknowledged = NULL;
      check(js_Publish(&acknowledged, js, "m.1", body, bytes, NULL, NULL), "publish");
      jsPubAck_Destroy(acknowledged);
      times[n] = now() - began;
    } else {
      check(js_PublishAsync(js, "m.1", body, bytes, NULL), "publish");
    }
    n++;
  }
  if (in_flight > 1) check(js_PublishAsyncComplete(js, NULL), "acknowledgements");
  double elapsed = now() - start, p50 = 0, p99 = 0;
  if (in_flight == 1) {
    qsort(times, n, sizeof *times, ascending);
    p50 = times[n / 2] * 1e6;
    p99 = times[n * 99 / 100] * 1e6;
  }
  printf("{\"bench\":\"jetstream\",\"messages_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}\n", n / elapsed, p50, p99);
  fflush(stdout);
  _exit(0);
}
