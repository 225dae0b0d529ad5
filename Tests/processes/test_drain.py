"""Nodes that give away what they have, for a time or for good, under load: no call fails, and nobody is missed."""
import json
import unittest

from test_partitions import Load, PartitionCase


class DrainCase(PartitionCase):
    def drain(self, node, *arguments):
        return json.loads(self.succeed(node.command("drain", *arguments, "-o", "json")).stdout)

    def held(self, node, name):
        """Of how many partitions `name` leads and has a replica, as `node` hears from the leaders."""
        view = self.partitions(node)
        replicas = [each for partition in view["partitions"] for each in partition["replicas"] if each["node"] == name]
        return sum(each["role"] == "leader" for each in replicas), len(replicas)

    def wait_voters(self, node, names):
        """Every partition has exactly these voters, and a leader."""
        def placed():
            view = self.partitions(node)
            return not view["missing"] and all(
                {each["node"] for each in partition["replicas"] if each["role"] != "learner"} == set(names)
                and len(partition["replicas"]) == len(names)
                for partition in view["partitions"])

        node.wait_until(f"the voters are {names}", placed)

    def keep_counting(self, nodes):
        self.loads = getattr(self, "loads", 0) + 1
        load = Load(nodes, name=f"load{self.loads}-")
        self.addCleanup(load.stopped.set)
        load.wait_more(5)
        return load


class Drain(DrainCase):
    def test_a_drained_node_leads_nothing_and_is_marked_until_the_drain_is_cancelled(self):
        nodes = self.three()
        load = self.keep_counting(nodes)
        drained = self.leader(nodes[0], "/meshnode/counter/load1-0")
        other = next(node for node in nodes if node is not drained)
        view = self.drain(other, drained.name, "--reason", "new disk")
        self.assertEqual(
            {key: view[key] for key in ("name", "state", "reason", "leads", "kept")},
            {"name": drained.name, "state": "drained", "reason": "new disk", "leads": 0, "kept": 256})
        self.assertEqual(self.held(other, drained.name), (0, 256))
        load.wait_more(5)
        counts = load.stop()
        self.assertIn("no other member could take", self.succeed(other.command("drain", drained.name, "--status")).stdout)
        warned = lambda: any("is drained (new disk)" in warning for warning in other.status()["node"]["warnings"])
        other.wait_until("the others say that it is drained", warned)
        # The mark outlives the process: that is what it is for.
        self.mesh.restart([drained])
        self.mesh.wait_members(3)
        load = self.keep_counting([node for node in nodes if node is not drained])
        self.assertEqual(self.drain(drained, "--status")["state"], "drained")
        load.stop()
        self.assertEqual(self.drain(other, drained.name, "--cancel")["state"], "active")
        other.wait_until("it leads again", lambda: self.held(other, drained.name)[0] > 0)
        self.assertEqual([self.add(drained, f"load1-{number}", 0) for number in range(len(counts))], counts)

    def test_a_drained_node_gives_its_replicas_to_one_that_has_room_for_them(self):
        nodes = self.three()
        nodes.append(self.mesh.join("delta"))
        self.mesh.wait_members(4)
        load = self.keep_counting(nodes)
        drained = nodes[0]
        view = self.drain(nodes[3])  # without a name it is the node that is asked
        self.assertEqual((view["name"], view["state"], view["leads"], view["replicas"]), ("delta", "drained", 0, 0))
        self.drain(nodes[3], "--cancel")
        view = self.drain(nodes[3], "alpha")
        self.assertEqual((view["state"], view["leads"], view["replicas"], view["kept"]), ("drained", 0, 0, 0))
        load.wait_more(5)
        load.stop()
        self.wait_voters(nodes[1], ["beta", "gamma", "delta"])
        drained.kill()
        load = self.keep_counting(nodes[1:])
        load.stop()

    def test_a_drain_of_a_stranger_is_refused(self):
        alpha = self.mesh.create("alpha")
        self.refuse(alpha.command("drain", "omega"), 4, "no member is called 'omega'")
        self.refuse(alpha.command("drain", "--cancel", "--status"), 2, "--cancel")
        self.refuse(alpha.command("drain", "--timeout", "soon"), 2, "--timeout")
        self.assertEqual(self.drain(alpha, "--status")["state"], "active")


class Leave(DrainCase):
    def test_of_two_nodes_the_one_that_stays_serves_alone(self):
        alpha = self.mesh.create("alpha")
        beta = self.mesh.join("beta")
        self.wait_voters(alpha, ["alpha", "beta"])
        load = self.keep_counting([alpha])
        self.succeed(beta.command("leave"))
        self.assertEqual(beta.wait_exit(), 0)
        load.wait_more(5)
        self.wait_voters(alpha, ["alpha"])
        counts = load.stop()
        # Back, it is a member like any other.
        beta.start()
        self.wait_voters(alpha, ["alpha", "beta"])
        self.assertEqual([self.add(beta, f"load1-{number}", 0) for number in range(len(counts))], counts)

    def test_a_node_that_the_others_need_stays_unless_it_is_forced(self):
        nodes = self.three()
        alpha, beta, gamma = nodes
        gamma.kill()
        alpha.wait_until("gamma is dead", lambda: alpha.state_of("gamma") == "dead")
        self.refuse(beta.command("leave", "--timeout", "3s"), 5, "still have a replica here", "--force")
        self.assertTrue(beta.running)
        self.assertEqual(self.add(alpha, "a"), 1)
        self.assertEqual(self.add(beta, "a"), 2)
        self.succeed(beta.command("leave", "--force"))
        self.assertEqual(beta.wait_exit(), 0)

    def test_nodes_leave_one_after_the_other_and_the_last_has_everything(self):
        nodes = self.three()
        for number in range(12):
            self.assertEqual(self.add(nodes[number % 3], f"k{number}", number), number)
        for leaving, rest in ((nodes[0], nodes[1:]), (nodes[1], nodes[2:])):
            load = self.keep_counting(rest)
            self.succeed(leaving.command("leave"))
            self.assertEqual(leaving.wait_exit(), 0)
            load.wait_more(5)
            load.stop()
        self.assertEqual([self.add(nodes[2], f"k{number}", 0) for number in range(12)], list(range(12)))
        self.succeed(nodes[2].command("leave"))
        self.assertEqual(nodes[2].wait_exit(), 0)


if __name__ == "__main__":
    unittest.main()
