// A driver that says what a file tells it to: compiled by a test as libnvidia-ml.so.1.
//
// FAKE_NVML names the file, read at every question: lines of `key value`.
//   init N, count N            what nvmlInit_v2 returns; how many GPUs there are
//   lost I                     GPU I has fallen off the bus
//   hang 1                     the next question is not answered
//   crash 1                    the next question ends the process
//   no-utilization 1           as with MIG: not supported
//   busy P, free MIB           of every GPU
//   instances N                every GPU is split into so many
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { success = 0, not_supported = 3, not_found = 6, driver_not_loaded = 9, gpu_is_lost = 15 };
enum { gpus_max = 8, instances_max = 7 };

struct device {
    unsigned index;
    int instance;
};
static struct device devices[gpus_max][1 + instances_max];

static unsigned setting(const char *wanted, unsigned otherwise) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char key[64];
    unsigned value, found = otherwise;
    if (file == NULL) return otherwise;
    while (fscanf(file, "%63s %u", key, &value) == 2)
        if (strcmp(key, wanted) == 0) found = value;
    fclose(file);
    return found;
}

static unsigned lost(const struct device *device) {
    return setting("lost", 99) == device->index ? gpu_is_lost : success;
}

unsigned nvmlInit_v2(void) { return setting("init", success); }
unsigned nvmlShutdown(void) { return success; }

const char *nvmlErrorString(unsigned error) {
    switch (error) {
    case driver_not_loaded: return "Driver Not Loaded";
    case gpu_is_lost: return "GPU is lost";
    default: return "Unknown Error";
    }
}

unsigned nvmlSystemGetDriverVersion(char *text, unsigned length) {
    snprintf(text, length, "999.%u", setting("driver", 1));
    return success;
}

unsigned nvmlSystemGetCudaDriverVersion_v2(int *version) {
    *version = 13020;
    return success;
}

unsigned nvmlDeviceGetCount_v2(unsigned *count) {
    if (setting("hang", 0))
        for (;;) pause();
    if (setting("crash", 0)) abort();
    unsigned status = setting("init", success);
    *count = setting("count", 1);
    return status;
}

unsigned nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device) {
    if (index >= gpus_max) return not_found;
    *device = &devices[index][0];
    (*device)->index = index;
    (*device)->instance = -1;
    return lost(*device);
}

unsigned nvmlDeviceGetName(struct device *device, char *text, unsigned length) {
    snprintf(text, length, device->instance < 0 ? "Fake G100" : "Fake G100 MIG 1g.12gb");
    return lost(device);
}

unsigned nvmlDeviceGetUUID(struct device *device, char *text, unsigned length) {
    snprintf(text, length, device->instance < 0 ? "GPU-%08u-fake" : "MIG-%08u-%d-fake", device->index, device->instance);
    return lost(device);
}

struct memory {
    uint64_t total, free, used;
};

unsigned nvmlDeviceGetMemoryInfo(struct device *device, struct memory *memory) {
    uint64_t total = device->instance < 0 ? 81920 : 10240, free = setting("free", 80000);
    memory->total = total << 20;
    memory->free = (free < total ? free : total) << 20;
    memory->used = memory->total - memory->free;
    return lost(device);
}

struct utilization {
    unsigned gpu, memory;
};

unsigned nvmlDeviceGetUtilizationRates(struct device *device, struct utilization *utilization) {
    if (setting("no-utilization", 0)) return not_supported;
    utilization->gpu = setting("busy", 0);
    utilization->memory = 0;
    return lost(device);
}

unsigned nvmlDeviceGetTemperature(struct device *device, unsigned sensor, unsigned *celsius) {
    if (sensor != 0) return not_supported;
    *celsius = 41 + device->index;
    return lost(device);
}

unsigned nvmlDeviceGetMigMode(struct device *device, unsigned *current, unsigned *pending) {
    *current = *pending = setting("instances", 0) > 0;
    return lost(device);
}

unsigned nvmlDeviceGetMaxMigDeviceCount(struct device *device, unsigned *count) {
    *count = instances_max;
    return lost(device);
}

unsigned nvmlDeviceGetMigDeviceHandleByIndex(struct device *device, unsigned index, struct device **instance) {
    if (index >= setting("instances", 0) || index >= instances_max) return not_found;
    *instance = &devices[device->index][1 + index];
    (*instance)->index = device->index;
    (*instance)->instance = (int)index;
    return success;
}
