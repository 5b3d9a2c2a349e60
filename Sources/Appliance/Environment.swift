internal import Files
internal import Glibc
internal import Telemetry

/// What the process was started with; only this target asks for it.
package enum ProcessEnvironment {
    /// The environment's variables.
    package static func variables() -> [String: String] {
        // The kernel's copy is whole and needs no walk through C memory.
        guard let bytes = try? WholeFile.read("/proc/self/environ", bytesMax: 4 << 20) else {
            return [:]
        }
        var variables: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            let text = String(decoding: entry, as: UTF8.self)
            guard let sign = text.firstIndex(of: "=") else { continue }
            variables[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        return variables
    }

    /// The user that runs the process, for the journal.
    package static func userName() -> String {
        variables()["SUDO_USER"] ?? variables()["USER"] ?? "uid \(getuid())"
    }

    /// Unix seconds.
    package static func now() -> Int64 { Int64(nowWithFraction()) }

    /// Unix seconds with their fraction.
    package static func nowWithFraction() -> Double {
        WallTime.now().secondsSinceEpoch
    }

    /// Seconds since some moment, never going back.
    package static func monotonicSeconds() -> Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }

    private static let start = ContinuousClock.now
}
