// RocksDB alone: a loop of WriteBatches, each synced, of 16-byte keys; the bound for `meshbench storage`.
// build: g++ -O2 -std=c++17 rocksdb.cc -o rocksdb -lrocksdb -lpthread      usage: rocksdb DIRECTORY SECONDS BYTES BATCH
// Prints one line of JSON with the fields of `meshbench storage`.
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

static double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: rocksdb DIRECTORY SECONDS BYTES BATCH\n"), 2;
  const std::string folder = std::string(argv[1]) + "/peer-rocksdb";
  const double seconds = atof(argv[2]);
  const int bytes = atoi(argv[3]), batch = atoi(argv[4]);
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 20;
  options.max_write_buffer_number = 3;
  options.max_background_jobs = 2;
  check(rocksdb::DestroyDB(folder, options));
  rocksdb::DB* opened;
  check(rocksdb::DB::Open(options, folder, &opened));
  std::unique_ptr<rocksdb::DB> db(opened);
  std::string value(bytes, 'x');
  for (int i = 0; i < bytes; i++) value[i] = 'a' + (i * 7) % 23;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  rocksdb::WriteBatch writes;
  std::vector<double> took;
  unsigned long long next = 0;
  char key[16] = {};
  const double start = now();
  while (now() - start < seconds) {
    writes.Clear();
    for (int i = 0; i < batch; i++, next++) {
      for (int place = 0; place < 8; place++) key[15 - place] = next >> (8 * place);
      writes.Put(rocksdb::Slice(key, 16), value);
    }
    const double began = now();
    check(db->Write(synced, &writes));
    took.push_back((now() - began) * 1e6);
  }
  const double elapsed = now() - start;
  std::sort(took.begin(), took.end());
  printf("{\"bench\":\"rocksdb\",\"bytes\":%d,\"batch\":%d,\"entries_s\":%.0f,\"batch_s\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f}\n",
         bytes, batch, next / elapsed, took.size() / elapsed, took[took.size() / 2], took[took.size() * 99 / 100]);
  check(db->Close());
  db.reset();
  check(rocksdb::DestroyDB(folder, options));
}
