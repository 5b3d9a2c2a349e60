import Telemetry

/// The time for certificates, which must be valid while the test runs.
enum WallClock {
    static var now: Int64 { WallTime.now().nanosecondsSinceEpoch / 1_000_000_000 }
}
