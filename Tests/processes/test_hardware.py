"""Hardware as members tell it: this machine's own, and GPUs of a driver that a test commands (fake_nvml/nvml.c)."""
import json
import os
import pathlib
import subprocess
import unittest

import jsonschema
from support import MeshCase
from test_status import status_schema

FAKE = pathlib.Path(__file__).resolve().parent / "fake_nvml" / "nvml.c"


class HardwareCase(MeshCase):
    def driver(self, **settings):
        """Builds the fake driver; the path of its library."""
        library = self.mesh.folder / "libnvidia-ml.so.1"
        subprocess.run(
            [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(FAKE)], check=True)
        self.settings = self.mesh.folder / "nvml.settings"
        self.set(**settings)
        os.environ["FAKE_NVML"] = str(self.settings)
        self.addCleanup(os.environ.pop, "FAKE_NVML")
        return library

    def set(self, **settings):
        """In one step, for the driver reads it at any time."""
        new = self.settings.with_suffix(".new")
        new.write_text("".join(f"{key.replace('_', '-')} {value}\n" for key, value in settings.items()))
        new.rename(self.settings)

    def capabilities(self, node, name):
        answer = node.request("GET", f"/v1/capabilities?node={name}")
        return answer.json["nodes"][0]["capabilities"] if answer.status == 200 else {}

    def probe(self, *arguments):
        result = self.succeed(self.mesh.command("capabilities", "--probe", "--format", "json", *arguments))
        return json.loads(result.stdout)


class ThisMachine(HardwareCase):
    def test_a_probe_shows_this_machine_without_a_daemon(self):
        probed = self.probe("--nvml", "none", "--data", self.mesh.folder)
        hardware = probed["hardware"]
        # What Python's own reading of the machine says.
        self.assertLessEqual(hardware["cpu_cores"], len(os.sched_getaffinity(0)))
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.assertGreater(hardware["memory_total_bytes"], 0)
        self.assertLessEqual(hardware["memory_total_bytes"], total)
        self.assertLess(hardware["memory_available_bytes"], hardware["memory_total_bytes"])
        disk = os.statvfs(self.mesh.folder)
        self.assertEqual(hardware["disk_total_bytes"], (disk.f_blocks * disk.f_frsize) >> 20 << 20)
        self.assertEqual((hardware["gpus"], probed["failures"]), ([], {}))
        self.assertNotIn("gpu.count", probed["capabilities"])

    def test_a_library_that_is_none_is_named(self):
        broken = self.mesh.folder / "broken.so"
        broken.write_text("this is no library")
        for library, reason in ((broken, "broken.so"), (self.mesh.folder / "missing.so", "missing.so")):
            self.assertIn(reason, self.probe("--nvml", library)["failures"]["gpu"])
        self.refuse(self.mesh.command("capabilities", "--probe", "--nvml", "sometimes"), 2, "sometimes", "auto")


class Driver(HardwareCase):
    def test_gpus_appear_change_fail_hang_and_disappear_for_all_to_see(self):
        library = self.driver(count=2, busy=30)
        alpha = self.mesh.create("alpha")
        beta = self.mesh.join("beta", "--nvml", library, "--capability", "rack.power=2kW")
        self.mesh.wait_members(2)
        seen = lambda: self.capabilities(alpha, "beta")

        # Each field is a rumor of its own, and they come in any order.
        known = {
            "gpu.count": "2", "gpu.1.model": "Fake G100", "gpu.0.memory.free": "80000MiB", "gpu.1.temperature": "42C",
            "gpu.driver": "999.1", "gpu.cuda": "13.2", "rack.power": "2kW"}
        alpha.wait_until("both GPUs are known", lambda: seen().items() >= known.items() and "gpu.0.model" in seen())
        jsonschema.validate(alpha.status(), status_schema())
        wide = self.succeed(alpha.command("status", "--wide")).stdout
        self.assertIn("2 Fake G100", wide)

        # Changes: memory is taken, and one GPU falls off the bus.
        self.set(count=2, busy=30, free=10000, lost=1)
        alpha.wait_until("the memory is seen to be taken", lambda: seen().get("gpu.0.memory.free") == "10000MiB")
        gone = lambda: seen().get("gpu.count") == "1" and not any(key.startswith("gpu.1.") for key in seen())
        alpha.wait_until("the lost GPU is gone", gone)
        warnings = beta.status()["node"]["warnings"]
        self.assertTrue(any("gpu.1" in warning and "lost" in warning for warning in warnings), warnings)

        # Hangs: everything else goes on.
        self.set(count=2, hang=1)
        alpha.wait_until("nothing is told of GPUs any more", lambda: not any(key.startswith("gpu.") for key in seen()))
        self.assertEqual(beta.request("POST", "/v1/call/meshnode/echo/x", "1").status, 200)
        self.assertEqual(alpha.state_of("beta"), "alive")
        self.assertIn("cpu.cores", seen())
        self.assertTrue(any("did not answer" in warning for warning in beta.status()["node"]["warnings"]))

        # And is well again; the second failure waits twice as long.
        self.set(count=1, driver=2)
        alpha.wait_until("the new driver is known", lambda: seen().get("gpu.driver") == "999.2")
        # Of two nodes there are never replicas enough, which is said, too.
        left = [warning for warning in beta.status()["node"]["warnings"] if "partitions" not in warning]
        self.assertEqual(left, [])
        lines = [line for line in beta.log.read_text().splitlines() if "capability is withdrawn" in line]
        self.assertEqual(len(lines), 2, "one line for each failure, not for each reading")

    def test_a_driver_that_is_gone_or_crashes_takes_only_its_reader_along(self):
        library = self.driver(init=9)
        alpha = self.mesh.create("alpha", "--nvml", library)
        seen = lambda: self.capabilities(alpha, "alpha")
        warns = lambda text: any(text in warning for warning in alpha.status()["node"]["warnings"])
        alpha.wait_until("the driver is missed", lambda: warns("Driver Not Loaded"))
        self.set(count=1)
        alpha.wait_until("the driver is loaded", lambda: seen().get("gpu.count") == "1")
        self.set(count=1, crash=1)
        alpha.wait_until("the crash is told", lambda: warns("has ended"))
        alpha.wait_until("the GPU is withdrawn", lambda: "gpu.count" not in seen())
        self.assertEqual(alpha.stop(), 0)

    def test_eight_gpus_in_seven_instances_each_fit(self):
        library = self.driver(count=8, instances=7, no_utilization=1)
        alpha = self.mesh.create("alpha")
        self.mesh.join("beta", "--nvml", library)
        seen = lambda: self.capabilities(alpha, "beta")
        count = lambda end: sum(key.startswith("gpu.") and key.endswith(end) for key in seen())
        ends = {".model": 8, ".uuid": 8, ".temperature": 8, ".profile": 8 * 7, ".memory.free": 8 + 8 * 7, ".memory.total": 8 + 8 * 7}
        # Each field is a rumor of its own, and they come in any order.
        alpha.wait_until("every fact arrives", lambda: {end: count(end) for end in ends} == ends)
        told = seen()
        self.assertEqual(told["gpu.7.mig.6.profile"], "1g.12gb")
        self.assertNotIn("gpu.0.utilization", told, "the driver does not tell it of a split GPU")
        table = self.succeed(alpha.command("capabilities", "beta")).stdout
        self.assertIn("gpu.0.mig.0.memory.free", table)
        everybody = json.loads(self.succeed(alpha.command("capabilities", "--format", "json")).stdout)["nodes"]
        self.assertEqual([node["name"] for node in everybody], ["alpha", "beta"])
        self.assertEqual(len(everybody[1]["hardware"]["gpus"][7]["mig"]), 7)
        self.refuse(alpha.command("capabilities", "gamma"), 4, "gamma")

    def test_gauges_follow_the_readings_and_are_nan_without(self):
        library = self.driver(count=1, busy=50, free=1024)
        alpha = self.mesh.create("alpha", "--nvml", library)
        gauge = lambda name: next(
            (line.split()[-1] for line in alpha.request("GET", "/metrics").body.decode().splitlines()
             if line.split()[0] == name), None)
        free = 'meshnode_gpu_memory_free_bytes{gpu="0"}'
        alpha.wait_until("the GPU is measured", lambda: gauge(free) == str(1 << 30))
        self.assertEqual(gauge('meshnode_gpu_utilization_ratio{gpu="0"}'), "0.5")
        self.assertGreater(float(gauge("meshnode_host_memory_available_bytes")), 0)
        self.assertEqual(gauge("meshnode_hardware_failures"), "0")
        self.set(init=9)
        alpha.wait_until("the GPU is not measured any more", lambda: gauge(free) == "NaN")
        self.assertEqual((gauge("meshnode_gpus"), gauge("meshnode_hardware_failures")), ("0", "1"))


if __name__ == "__main__":
    unittest.main()
