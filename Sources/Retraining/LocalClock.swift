internal import Files

/// What the clocks on the walls of a place show: how far local time is from UTC, and since when.
///
/// Read from the compiled time-zone files of the system (RFC 9636), so that a schedule follows
/// the rules that the machine knows.
package struct LocalClock: Sendable, Equatable {
    /// The name by which it was asked for.
    package let name: String
    /// Moments at which the distance changes, in ascending order.
    private let changes: [Change]
    /// The distance before the first change.
    private let first: Int64
    /// What holds from the last change on; nil when the last distance holds for ever.
    private let rule: LocalClockRule?

    /// From a moment on, local time is UTC and so many seconds.
    struct Change: Sendable, Equatable {
        let at: Int64
        let seconds: Int64
    }

    /// Universal time.
    package static let utc = LocalClock(name: "UTC", first: 0, changes: [], rule: nil)

    init(name: String, first: Int64, changes: [Change], rule: LocalClockRule?) {
        (self.name, self.first, self.changes, self.rule) = (name, first, changes, rule)
    }

    /// Finds a place by its name in the IANA database, such as `Europe/Berlin`.
    ///
    /// - Parameters:
    ///   - name: The name; `UTC` needs no file.
    ///   - folder: Where the system keeps the files.
    /// - Throws: ``RetrainingError/timeZone(name:reason:)``.
    package init(named name: String, folder: String = "/usr/share/zoneinfo")
        throws(RetrainingError)
    {
        if name == "UTC" {
            self = .utc
            return
        }
        guard Self.isPlain(name) else {
            throw .timeZone(name: name, reason: "expected a name such as Europe/Berlin, or UTC")
        }
        let bytes: [UInt8]
        do {
            bytes = try WholeFile.read("\(folder)/\(name)", bytesMax: 1 << 20)
        } catch {
            guard error.isMissing else { throw .timeZone(name: name, reason: "\(error)") }
            let isInstalled = Folder.isFolder(folder)
            throw .timeZone(
                name: name,
                reason: isInstalled
                    ? "the system does not know it: expected a name such as Europe/Berlin, or UTC"
                    : "\(folder) is missing: install the package tzdata, or say UTC"
            )
        }
        do {
            self = try TimeZoneFile(bytes).clock(name: name)
        } catch {
            throw .timeZone(name: name, reason: "\(folder)/\(name): \(error)")
        }
    }

    /// A name can only lead to a file below the folder of time zones.
    private static func isPlain(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return name.utf8.count <= 64
            && parts.allSatisfy { part in
                part.first?.isLetter == true
                    && part.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                        case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"): true
                        default: false
                        }
                    }
            }
    }

    /// How far local time is from UTC.
    ///
    /// - Parameter moment: Unix seconds.
    /// - Returns: Seconds to add to UTC, and the moment at which that changes next.
    package func offset(at moment: Int64) -> (seconds: Int64, until: Int64) {
        guard let last = changes.last, moment < last.at else {
            if let rule { return rule.offset(at: moment) }
            return (changes.last?.seconds ?? first, .max)
        }
        // The first change that is still to come.
        var (low, high) = (0, changes.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at > moment { high = middle } else { low = middle + 1 }
        }
        return (low == 0 ? first : changes[low - 1].seconds, changes[low].at)
    }

    /// The first moment at which the local clock shows a time, or a later one because it was put
    /// forward over it.
    ///
    /// - Parameter wall: The local time, as seconds since 1970-01-01 00:00 on the same clock.
    /// - Returns: Unix seconds.
    func first(reaching wall: Int64) -> Int64 {
        // No clock is further than 26 hours from UTC.
        var moment = wall - 93_600
        while true {
            let (seconds, until) = offset(at: moment)
            let candidate = max(moment, wall - seconds)
            if candidate < until { return candidate }
            moment = until
        }
    }
}
