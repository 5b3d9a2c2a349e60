import Testing

/// What is not used, where it may be all the same, and what is used instead.
enum BanList {
    struct Entry: Sendable, CustomTestStringConvertible {
        let word: String
        let instead: String
        var allowed: [String] = []
        var testDescription: String { word }
    }

    static let entries: [Entry] = [
        Entry(word: "print(", instead: "log, or return a report", allowed: ["Sources/leeway/"]),
        Entry(word: "try!", instead: "handle the error"),
        Entry(word: "as!", instead: "as? with a guard"),
        Entry(word: "fatalError(", instead: "throw: a trap takes the server down"),
        Entry(word: "preconditionFailure(", instead: "throw: a trap takes the server down"),
        Entry(word: "@unchecked Sendable", instead: "a type whose safety the compiler sees"),
        Entry(word: "nonisolated(unsafe)", instead: "Mutex or Atomic"),
        Entry(word: "Task.detached", instead: "structured concurrency"),
        Entry(word: "DispatchQueue", instead: "structured concurrency"),
        Entry(word: " Date()", instead: "the injected clock"),
        Entry(word: "FIXME", instead: "an issue"),
        Entry(word: "TODO", instead: "an issue"),
    ]
}

/// Where memory-unsafe code may stand; each use states its bounds.
enum UnsafePlaces {
    static let allowed = [
        "Sources/TLSTransport/", "Sources/HTTPTransport/", "Sources/Transfer/", "Sources/Digest/",
        "Sources/Compression/", "Sources/Features/", "Sources/NeuralNetwork/MatrixKernels",
        "Sources/NeuralNetwork/AlignedFloats", "Sources/NeuralNetwork/ComputeTeam",
        "Sources/NeuralNetwork/PackedWeights", "Sources/NeuralNetwork/TrainingLayer",
        "Sources/NeuralNetwork/TrainingStep", "Sources/NeuralNetwork/TrainingUpdate",
        "Sources/NeuralNetwork/TrainingLoss",
        "Sources/Telemetry/", "Sources/Drift/", "Sources/Files/",
        "Sources/Retraining/BackgroundProcess.swift", "Sources/Appliance/ServiceManager.swift",
        "Sources/Serving/RetiredVersion.swift",
    ]
}

/// Who may import whom: design §2, one line a target, every arrow pointing down.
enum Layers {
    private static let system: Set = ["Glibc", "Musl", "Synchronization", "FoundationEssentials"]

    private static let table: [String: Set<String>] = [
        "leeway": ["Appliance", "Tools", "ArgumentParser"],
        "Tools": [
            "Serving", "Retraining", "HTTPTransport", "TLSTransport", "Transfer", "ModelStore",
            "Telemetry", "Digest", "Compression", "Drift", "Features", "NeuralNetwork", "Files",
            "NIOCore", "NIOPosix",
        ],
        "Appliance": [
            "Serving", "Retraining", "HTTPTransport", "TLSTransport", "Transfer", "ModelStore",
            "Telemetry", "Digest", "Compression", "Drift", "Features", "NeuralNetwork", "Files",
            "ServiceLifecycle", "UnixSignals", "Logging", "NIOCore", "NIOPosix", "Yams",
        ],
        "Serving": [
            "HTTPTransport", "ModelStore", "Drift", "Features", "NeuralNetwork", "Telemetry",
            "Digest", "NIOCore", "Logging",
        ],
        "Retraining": [
            "Transfer", "ModelStore", "Drift", "Features", "NeuralNetwork", "Telemetry",
            "Compression", "Digest", "Files", "Logging", "Subprocess", "SystemPackage",
        ],
        "HTTPTransport": [
            "TLSTransport", "Telemetry", "Compression", "NIOCore", "NIOPosix", "Logging",
        ],
        "TLSTransport": ["COpenSSL", "Telemetry", "Files", "NIOCore", "NIOTLS"],
        "Transfer": ["CCurl", "Telemetry", "Digest", "Files", "Logging"],
        "ModelStore": ["NeuralNetwork", "Features", "Drift", "Digest", "Files"],
        "Telemetry": ["Logging", "CoreMetrics", "CGlibc"],
        "Digest": ["COpenSSL"],
        "Compression": ["CZlib"],
        "Files": [],
        "Drift": ["CKernels", "Features"],
        "Features": [],
        "NeuralNetwork": ["CKernels"],
    ]

    static func allowed(_ target: String) -> Set<String> {
        (table[target] ?? []).union(system)
    }
}

/// Functions and how long they are, found by their braces.
enum Functions {
    struct Found {
        let line: Int
        let lines: Int
    }

    static func of(_ file: SourceFile) -> [Found] {
        var found: [Found] = []
        var depth = 0
        var open: [(line: Int, depth: Int)] = []
        var pending: Int?
        for (number, line) in file.code {
            let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            if words.contains("func") || (words.first.map { $0 == "init" } ?? false)
                || words.starts(with: ["package", "init"])
            {
                pending = number
            }
            for character in line {
                if character == "{" {
                    if let start = pending {
                        open.append((start, depth))
                        pending = nil
                    }
                    depth += 1
                } else if character == "}" {
                    // A function of a protocol has no body.
                    pending = nil
                    depth -= 1
                    if let last = open.last, last.depth == depth {
                        open.removeLast()
                        found.append(Found(line: last.line, lines: number - last.line + 1))
                    }
                }
            }
        }
        return found
    }
}
