#ifndef MESHNODE_NVML_H
#define MESHNODE_NVML_H

#include <stdint.h>

/// What meshnode uses of the NVIDIA Management Library, declared here after its API reference
/// (https://docs.nvidia.com/deploy/nvml-api). The library belongs to the driver and is opened at run time: nothing is
/// linked, and neither a build nor a machine needs it.

/// `nvmlReturn_t`; the codes that are told apart here.
typedef uint32_t nvml_return;
static const nvml_return nvml_success = 0;
static const nvml_return nvml_not_supported = 3;
static const nvml_return nvml_not_found = 6;
static const nvml_return nvml_function_not_found = 13;
static const nvml_return nvml_gpu_is_lost = 15;

/// Bytes of a text, its end included: the longest of what the library may give.
static const uint32_t nvml_text_bytes = 96;

/// The sensor of `nvmlDeviceGetTemperature` on the GPU's die.
static const uint32_t nvml_temperature_gpu = 0;

/// A GPU, or a MIG instance of one. Belongs to the library.
typedef struct nvml_device_opaque *nvml_device;

/// `nvmlMemory_t`, in bytes.
struct nvml_memory {
    uint64_t total;
    uint64_t free;
    uint64_t used;
};

/// `nvmlUtilization_t`, in percent of the last sampling period.
struct nvml_utilization {
    uint32_t gpu;
    uint32_t memory;
};

/// nvmlInit_v2, nvmlShutdown
typedef nvml_return (*nvml_no_argument_function)(void);
/// nvmlErrorString
typedef const char *(*nvml_error_string_function)(nvml_return);
/// nvmlSystemGetDriverVersion
typedef nvml_return (*nvml_system_text_function)(char *text, uint32_t length);
/// nvmlSystemGetCudaDriverVersion_v2
typedef nvml_return (*nvml_system_number_function)(int32_t *number);
/// nvmlDeviceGetCount_v2
typedef nvml_return (*nvml_count_function)(uint32_t *count);
/// nvmlDeviceGetHandleByIndex_v2
typedef nvml_return (*nvml_handle_function)(uint32_t index, nvml_device *device);
/// nvmlDeviceGetName, nvmlDeviceGetUUID
typedef nvml_return (*nvml_device_text_function)(nvml_device device, char *text, uint32_t length);
/// nvmlDeviceGetMemoryInfo
typedef nvml_return (*nvml_memory_function)(nvml_device device, struct nvml_memory *memory);
/// nvmlDeviceGetUtilizationRates
typedef nvml_return (*nvml_utilization_function)(nvml_device device, struct nvml_utilization *utilization);
/// nvmlDeviceGetTemperature
typedef nvml_return (*nvml_temperature_function)(nvml_device device, uint32_t sensor, uint32_t *celsius);
/// nvmlDeviceGetMigMode
typedef nvml_return (*nvml_mig_mode_function)(nvml_device device, uint32_t *current, uint32_t *pending);
/// nvmlDeviceGetMaxMigDeviceCount
typedef nvml_return (*nvml_device_number_function)(nvml_device device, uint32_t *number);
/// nvmlDeviceGetMigDeviceHandleByIndex
typedef nvml_return (*nvml_mig_handle_function)(nvml_device device, uint32_t index, nvml_device *instance);

#endif
