import Subprocess

/// A tool failed that a test needs.
struct ToolFailed: Error, CustomStringConvertible {
    let description: String
}

/// What a tool printed, both streams together.
struct Printed {
    let output: String
    let errors: String
    let isSuccess: Bool
}

/// Runs a tool to its end.
@discardableResult
func run(_ tool: String, _ arguments: String..., input: String = "") async throws -> Printed {
    let printed = try await attempt(tool, arguments, input: input)
    guard printed.isSuccess else {
        throw ToolFailed(description: "\(tool) \(arguments): \(printed.output)\(printed.errors)")
    }
    return printed
}

/// Runs a tool to its end, which may be a failure.
func attempt(_ tool: String, _ arguments: [String], input: String = "") async throws -> Printed {
    // The input is written here, because swift-subprocess 1.0.2 traps when a tool ends before it has
    // read an input that the library writes by itself.
    let result = try await Subprocess.run(
        .name(tool),
        arguments: Arguments(arguments),
        input: .inputWriter,
        output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20)
    ) { execution in
        if !input.isEmpty { _ = try? await execution.standardInputWriter.write(Array(input.utf8)) }
        try? await execution.standardInputWriter.finish()
    }
    return Printed(
        output: result.standardOutput,
        errors: result.standardError,
        isSuccess: result.terminationStatus.isSuccess
    )
}
