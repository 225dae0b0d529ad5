import MeshSimulation
import Testing

private func read(_ lines: [String]) throws(HistoryError) -> History {
    try HistoryReader.read(Array(lines.joined(separator: "\n").utf8))
}

private func report(_ lines: [String]) throws(HistoryError) -> HistoryReport { try read(lines).check() }

private func operation(
    _ type: String, _ op: String, _ answer: String?, _ call: Int, _ end: Int?, object: String = "a"
) -> String {
    let answered = answer.map { ",\"answer\":\($0)" } ?? ""
    let ended = end.map { ",\"return\":\($0),\"outcome\":\"ok\"" } ?? ",\"outcome\":\"unknown\""
    return
        "{\"type\":\"\(type)\",\"object\":\"\(object)\",\"client\":\"c\",\"op\":\(op)\(answered),\"call\":\(call)\(ended)}"
}

private func message(_ number: Int, _ outcome: String, client: String = "c", object: String = "a") -> String {
    let end = outcome == "unknown" ? "" : ",\"return\":2"
    return
        "{\"type\":\"message\",\"object\":\"\(object)\",\"client\":\"\(client)\",\"number\":\(number),\"call\":1\(end),\"outcome\":\"\(outcome)\"}"
}

private func processed(_ number: Int, client: String = "c", object: String = "a") -> String {
    "{\"type\":\"processed\",\"object\":\"\(object)\",\"client\":\"\(client)\",\"number\":\(number)}"
}

@Suite("Histories") struct HistoryTests {
    @Test("values are compared as JSON, and objects do not touch each other") func values() throws {
        let good = try report([
            "{\"type\":\"history\",\"version\":1}", "",
            operation(
                "register", "{\"write\":{\"a\":1,\"b\":2}}", "{\"value\":{\"a\":1,\"b\":2},\"swapped\":true}", 0, 1),
            operation("register", "{\"read\":true}", "{\"value\":{\"b\":2.0,\"a\":1},\"swapped\":false}", 2, 3),
            operation("register", "{\"cas\":[ {\"b\":2,\"a\":1} , 5 ]}", "{\"value\":5,\"swapped\":true}", 4, 5),
            operation("register", "{\"read\":true}", "{\"value\":null,\"swapped\":false}", 6, 7, object: "b"),
            operation("queue", "{\"push\":\"x\"}", "{\"value\":\"x\"}", 0, 1),
            operation("queue", "{\"pop\":true}", "{\"value\":\"\\u0078\"}", 2, 3),
            operation("queue", "{\"pop\":true}", "{\"value\":null}", 4, 5),
        ])
        #expect(good.verdict == .ok)
        #expect(good.operations == 7 && good.objects == 3)
    }

    @Test("a violation names the object and the lines that show it") func violation() throws {
        let bad = try report([
            operation("register", "{\"write\":1}", "{\"value\":1,\"swapped\":true}", 0, 1),
            operation("register", "{\"write\":2}", "{\"value\":2,\"swapped\":true}", 2, 3),
            operation("register", "{\"read\":true}", "{\"value\":1,\"swapped\":false}", 4, 5),
            operation("register", "{\"read\":true}", "{\"value\":2,\"swapped\":false}", 6, 7),
            operation("queue", "{\"pop\":true}", "{\"value\":9}", 6, 7, object: "q"),
        ])
        #expect(bad.verdict == .violated)
        #expect(bad.findings.map(\.object) == ["a", "q"])
        #expect(bad.findings.map(\.lines) == [[1, 2, 3], [5]])
    }

    @Test("null may be an element, and then a pop that answers null may have found it") func nullElements() throws {
        let push = operation("queue", "{\"push\":null}", "{\"value\":null}", 0, 1)
        let pop = { (value: String, call: Int) in
            operation("queue", "{\"pop\":true}", "{\"value\":\(value)}", call, call + 1)
        }
        #expect(try report([push, pop("null", 2), pop("null", 4)]).verdict == .ok)
        // Nothing was there, and then came a null of somebody who never heard of it.
        let unheard = operation("queue", "{\"push\":null}", nil, 0, nil)
        #expect(try report([unheard, pop("null", 2), pop("null", 4), pop("null", 6)]).verdict == .ok)
        #expect(
            try report([push, operation("queue", "{\"push\":1}", "{\"value\":1}", 2, 3), pop("1", 4)]).verdict
                == .violated)
    }

    @Test("what failed for certain had no effect; what is unknown may have had") func outcomes() throws {
        let failed = operation("register", "{\"write\":1}", nil, 0, 1).replacing("\"ok\"", with: "\"failed\"")
        let unknown = operation("register", "{\"write\":1}", nil, 0, nil)
        let seen = operation("register", "{\"read\":true}", "{\"value\":1,\"swapped\":false}", 2, 3)
        #expect(try report([failed, seen]).verdict == .violated)
        #expect(try report([unknown, seen]).verdict == .ok)
    }

    @Test(
        "a line that makes no sense is refused, with its number and the reason",
        arguments: [
            ("{", "not one JSON object"), ("[]", "not one JSON object"), ("{\"type\":1}", "'type' is a text"),
            ("{\"object\":\"a\"}", "there is no 'type'"), ("{\"type\":\"stack\"}", "unknown type 'stack'"),
            ("{\"type\":\"history\",\"version\":2}", "version 1 is read here"),
            ("{\"type\":\"history\",\"version\":1,\"delivery\":\"maybe\"}", "exactly_once or at_least_once"),
            (operation("register", "{\"swap\":1}", "{\"value\":1,\"swapped\":true}", 0, 1), "a register has no 'swap'"),
            (operation("register", "{\"read\":true}", nil, 0, 1), "there is no 'answer'"),
            (operation("register", "{\"read\":true,\"write\":1}", nil, 0, nil), "one member"),
            (operation("register", "{\"cas\":[1]}", nil, 0, nil), "cas is a list of two values"),
            (operation("register", "{\"write\":1e9999999999}", nil, 0, nil), "cannot be compared"),
            (operation("queue", "{\"peek\":true}", nil, 0, nil), "a queue has no 'peek'"),
            (operation("counter", "{\"add\":1.5}", nil, 0, nil), "add is a whole number"),
            (operation("counter", "{\"add\":1}", "{\"value\":1}", 5, 4), "it returns before it is called"),
            (
                operation("counter", "{\"add\":1}", nil, 5, nil).replacing("unknown", with: "lost"),
                "ok, failed or unknown"
            ),
            (message(-1, "ok"), "'number' is a whole number, not below 0"),
            ("{\"type\":\"outbox\",\"source\":\"1\",\"number\":1}", "there is no 'destination'"),
        ])
    func malformed(_ line: String, _ reason: String) {
        let error = #expect(throws: HistoryError.self) { try read(["", line]) }
        #expect(error?.line == 2)
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
    }
}

@Suite("Counters in histories") struct CounterBoundsTests {
    private func add(_ addend: Int, _ sum: Int?, _ call: Int, _ end: Int?) -> String {
        operation("counter", "{\"add\":\(addend)}", sum.map { "{\"value\":\($0)}" }, call, end)
    }
    private func read(_ sum: Int, _ call: Int, _ end: Int) -> String {
        operation("counter", "{\"read\":true}", "{\"value\":\(sum)}", call, end)
    }
    private func reason(_ lines: [String]) throws -> String? { try report(lines).findings.first?.reason }

    @Test("sums within what was added are fine, whatever overlaps, and unknown additions may count or not") func good()
        throws
    {
        #expect(try self.reason([self.add(1, 1, 0, 9), self.add(2, 3, 0, 9), self.read(3, 10, 11)]) == nil)
        #expect(try self.reason([self.add(1, 3, 0, 9), self.add(2, 2, 0, 9)]) == nil)
        for sum in [5, 8] {
            #expect(try self.reason([self.add(5, 5, 0, 1), self.add(3, nil, 2, nil), self.read(sum, 9, 10)]) == nil)
        }
        #expect(
            try self.reason([
                self.add(5, 5, 0, 1), self.add(-3, 2, 2, 3), self.add(-9, nil, 4, nil), self.read(-7, 9, 10),
            ]) == nil)
    }

    @Test("an addition that is lost, counted twice or undone is found") func bad() throws {
        #expect(try self.reason([self.add(1, 1, 0, 1), self.read(0, 2, 3)])?.contains("only be 1 to 1") == true)
        #expect(try self.reason([self.add(1, 1, 0, 1), self.read(2, 2, 3)])?.contains("only be 1 to 1") == true)
        #expect(try self.reason([self.add(1, nil, 0, nil), self.read(2, 2, 3)])?.contains("only be 0 to 1") == true)
        #expect(try self.reason([self.add(1, 1, 0, 9), self.add(1, 1, 0, 9)])?.contains("as line 1 did") == true)
        // Unknown ones could explain each answer alone, but not that the sum went back.
        #expect(
            try self.reason([self.add(4, nil, 0, nil), self.add(1, 5, 1, 2), self.read(1, 3, 4)])?.contains("line 2")
                == true)
        #expect(try self.reason([self.add(-3, -3, 0, 1), self.read(0, 2, 3)])?.contains("only be -3 to -3") == true)
        #expect(try self.reason([self.add(Int.max, Int.max, 0, 1), self.add(Int.max, 0, 2, 3)]) != nil)
    }
}

@Suite("Delivery in histories") struct DeliveryCheckTests {
    private func reasons(_ lines: [String]) throws -> [String] { try report(lines).findings.map(\.reason) }

    @Test("acknowledged and processed once, in order; what is unknown, either way") func good() throws {
        let lines = [
            message(1, "ok"), message(2, "unknown"), message(3, "ok"), message(4, "failed"), message(5, "unknown"),
            message(1, "ok", client: "d"), processed(1), processed(3), processed(1, client: "d"), processed(2),
        ]
        #expect(try self.reasons(lines) == [])
    }

    @Test("lost, repeated, refused, made up, out of order: each is found") func bad() throws {
        #expect(try self.reasons([message(1, "ok")]) == ["number 1 of c was acknowledged and never processed"])
        #expect(
            try self.reasons([message(1, "ok"), processed(1), processed(1)]) == ["number 1 of c was processed 2 times"])
        #expect(
            try self.reasons([message(1, "unknown"), processed(1), processed(1)]) == [
                "number 1 of c was processed 2 times"
            ])
        #expect(
            try self.reasons([message(1, "failed"), processed(1)]) == [
                "number 1 of c was refused and processed all the same"
            ])
        #expect(try self.reasons([processed(1)]) == ["number 1 of c was processed and never sent"])
        #expect(try self.reasons([message(1, "ok"), processed(1, object: "b")]).count == 2)
        #expect(
            try self.reasons([message(1, "ok"), message(2, "ok"), processed(2), processed(1)])
                == ["number 1 of c was processed after number 2 of the same sender"])
        #expect(
            try self.reasons([message(1, "ok"), message(1, "ok"), processed(1)]) == [
                "number 1 of c was sent twice under one name"
            ])
    }

    @Test("where at least once is promised, repeats are fine, and losses are not") func atLeastOnce() throws {
        let header = "{\"type\":\"history\",\"version\":1,\"delivery\":\"at_least_once\"}"
        // A repeat does not change the order, which is that of the first times.
        #expect(
            try self.reasons([header, message(1, "ok"), message(2, "ok"), processed(1), processed(2), processed(1)])
                == [])
        #expect(try self.reasons([header, message(1, "ok")]).count == 1)
    }

    @Test("outboxes arrive without gaps and repeats") func outboxes() throws {
        let arrival = { (number: Int) in
            "{\"type\":\"outbox\",\"source\":\"1\",\"destination\":\"2\",\"number\":\(number)}"
        }
        #expect(try self.reasons([7, 8, 9].map(arrival)) == [])
        #expect(try self.reasons([7, 9].map(arrival)) == ["number 9 follows 7"])
        #expect(try self.reasons([7, 8, 8].map(arrival)) == ["number 8 follows 8"])
        #expect(try self.reasons([7, 6].map(arrival)) == ["number 6 follows 7"])
    }
}
