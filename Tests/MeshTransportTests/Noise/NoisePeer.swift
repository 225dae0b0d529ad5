import Foundation

/// The other side of a handshake, played by the independent implementation `noiseprotocol` (PyPI) in Python.
///
/// One command per line, one answer per line; bytes as hexadecimal.
final class NoisePeer {
    private static let program = """
        import sys
        try:
            from noise.connection import NoiseConnection, Keypair
        except ImportError as error:
            print("missing", error, flush=True)
            sys.exit(1)
        role, secret, psk, prologue = sys.argv[1:5]
        noise = NoiseConnection.from_name(b"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b")
        noise.set_psks(bytes.fromhex(psk))
        noise.set_prologue(bytes.fromhex(prologue))
        noise.set_keypair_from_private_bytes(Keypair.STATIC, bytes.fromhex(secret))
        noise.set_as_initiator() if role == "initiator" else noise.set_as_responder()
        noise.start_handshake()
        print("ready", flush=True)
        protocol = noise.noise_protocol
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            data = bytes.fromhex(argument)
            if command == "rekey-send":
                protocol.cipher_state_encrypt.rekey()
                answer = b""
            elif command == "rekey-receive":
                protocol.cipher_state_decrypt.rekey()
                answer = b""
            else:
                action = {"write": noise.write_message, "read": noise.read_message,
                          "encrypt": noise.encrypt, "decrypt": noise.decrypt}[command]
                try:
                    answer = bytes(action(data))
                except Exception as error:
                    print("failed", type(error).__name__, flush=True)
                    continue
            print("ok", answer.hex(), flush=True)
        """

    /// `scripts/setup` may have put the package into an environment of its own.
    private static let python = ProcessInfo.processInfo.environment["MESHNODE_TEST_PYTHON"] ?? "python3"

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    init(role: String, secret: [UInt8], preShared: [UInt8], prologue: [UInt8]) throws {
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments =
            [Self.python, "-c", Self.program, role] + [secret, preShared, prologue].map(Self.hexadecimal)
        self.process.standardInput = self.input
        self.process.standardOutput = self.output
        try self.process.run()
        let greeting = try self.line()
        guard greeting == "ready" else {
            throw Failure(description: "pip install noiseprotocol (scripts/setup does): \(greeting)")
        }
    }

    deinit {
        try? self.input.fileHandleForWriting.close()
        self.process.waitUntilExit()
    }

    @discardableResult
    func ask(_ command: String, _ bytes: [UInt8] = []) throws -> [UInt8] {
        let line = command + (bytes.isEmpty ? "" : " " + Self.hexadecimal(bytes)) + "\n"
        try self.input.fileHandleForWriting.write(contentsOf: Data(line.utf8))
        let answer = try self.line()
        guard answer.hasPrefix("ok") else { throw Failure(description: "\(command): \(answer)") }
        return Self.bytes(answer.dropFirst(3))
    }

    private func line() throws -> String {
        var line: [UInt8] = []
        while let byte = try self.output.fileHandleForReading.read(upToCount: 1)?.first {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Failure(description: "python3 ended: \(String(decoding: line, as: UTF8.self))")
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func bytes(_ text: Substring) -> [UInt8] {
        let digits = text.utf8.map { UInt8($0 < 97 ? $0 - 48 : $0 - 87) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
