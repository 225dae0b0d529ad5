internal import ArgumentParser
internal import MeshCore

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show every setting, its value and where it comes from.",
        discussion: "Takes the flags of 'start' and shows what 'start' would run with.")

    @OptionGroup var options: NodeOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let configuration = try self.options.resolve()
        let rows = Setting.all.map { setting in
            let value = setting.show(configuration)
            return Row(
                name: setting.name, value: setting.isSecret && !value.isEmpty ? "(hidden)" : value,
                origin: (configuration.origins[setting.name] ?? .standard).description)
        }
        try self.output.show(["settings": rows]) {
            var table = Table([.left("SETTING"), .flexible("VALUE", min: 20), .left("ORIGIN")])
            for row in rows { table.add([row.name, row.value.isEmpty ? "-" : row.value, row.origin]) }
            printLine(table.text(width: Terminal.width))
        }
    }

    private struct Row: Encodable {
        var name: String
        var value: String
        var origin: String
    }
}
