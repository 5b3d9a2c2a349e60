/// The hours of a week, counted from Monday, 00:00 UTC.
package enum HourOfWeek {
    /// How many there are.
    package static let count = 168
    /// Stands for the hour of a row whose time is not known.
    package static let unknown: UInt8 = 255

    /// The hour in which a moment lies.
    ///
    /// - Parameter unixSeconds: The moment; negative before 1970.
    /// - Returns: 0 up to 167.
    package static func of(unixSeconds: Int64) -> UInt8 {
        // Rounded down, before 1970, too.
        let hours = unixSeconds / 3600 - (unixSeconds % 3600 < 0 ? 1 : 0)
        // 1970 began on a Thursday.
        let hour = (hours % 168 + 168 + 3 * 24) % 168
        return UInt8(hour)
    }
}

/// Moments as data files write them: RFC 3339, or Unix seconds.
enum TimeText {
    /// The Unix seconds that are read; a day such as 20240101 and milliseconds lie outside.
    static let unixSeconds: ClosedRange<Int64> = 100_000_000...253_402_300_799
    /// What is read, in words.
    static let expected =
        "RFC 3339 (2026-11-23T20:59:06Z; without an offset it is UTC) or Unix seconds in "
        + "\(unixSeconds.lowerBound)...\(unixSeconds.upperBound)"

    /// Reads a moment as Unix seconds; a part of a second is left off.
    ///
    /// - Returns: Nil when it is none.
    static func unixSeconds(_ text: Span<UInt8>) -> Int64? {
        guard text.count >= 9, text.count <= 64 else { return nil }
        return text[4] == UInt8(ascii: "-") ? date(text) : number(text)
    }

    private static func number(_ text: Span<UInt8>) -> Int64? {
        var (seconds, place): (Int64, Int) = (0, 0)
        while let digit = digit(text, place) {
            guard place < 12 else { return nil }
            seconds = seconds * 10 + digit
            place += 1
        }
        guard unixSeconds.contains(seconds), skipFraction(text, &place), place == text.count else {
            return nil
        }
        return seconds
    }

    /// RFC 3339 §5.6; a blank may stand for the T, and seconds and the offset may be left out.
    private static func date(_ text: Span<UInt8>) -> Int64? {
        guard let year = digits(text, 0, 4), let month = digits(text, 5, 2),
            text.byte(7) == UInt8(ascii: "-"), let day = digits(text, 8, 2),
            let gap = text.byte(10), gap | 0x20 == UInt8(ascii: "t") || gap == UInt8(ascii: " "),
            let hour = digits(text, 11, 2), text.byte(13) == UInt8(ascii: ":"),
            let minute = digits(text, 14, 2)
        else { return nil }
        var place = 16
        var second: Int64 = 0
        if text.byte(place) == UInt8(ascii: ":") {
            guard let read = digits(text, 17, 2) else { return nil }
            (second, place) = (read, 19)
            guard skipFraction(text, &place) else { return nil }
        }
        guard let offset = offset(text, &place), place == text.count,
            (1...12).contains(month), day >= 1, day <= days(month, year),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        let seconds = hour * 3600 + minute * 60 + second - offset
        return daysSinceEpoch(year, month, day) * 86_400 + seconds
    }

    /// The seconds by which a local time is ahead of UTC; nil when the text is no offset.
    private static func offset(_ text: Span<UInt8>, _ place: inout Int) -> Int64? {
        guard let sign = text.byte(place) else { return 0 }
        place += 1
        if sign | 0x20 == UInt8(ascii: "z") { return 0 }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"),
            let hours = digits(text, place, 2), hours < 24
        else { return nil }
        place += 2
        if text.byte(place) == UInt8(ascii: ":") { place += 1 }
        guard let minutes = digits(text, place, 2), minutes < 60 else { return nil }
        place += 2
        let seconds = hours * 3600 + minutes * 60
        return sign == UInt8(ascii: "-") ? -seconds : seconds
    }

    /// Passes over a point with at least one digit behind it, if one is there.
    private static func skipFraction(_ text: Span<UInt8>, _ place: inout Int) -> Bool {
        guard text.byte(place) == UInt8(ascii: ".") else { return true }
        place += 1
        let start = place
        while digit(text, place) != nil { place += 1 }
        return place > start
    }

    private static func digit(_ text: Span<UInt8>, _ place: Int) -> Int64? {
        guard let byte = text.byte(place), byte &- UInt8(ascii: "0") <= 9 else { return nil }
        return Int64(byte - UInt8(ascii: "0"))
    }

    private static func digits(_ text: Span<UInt8>, _ place: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for index in place..<place + count {
            guard let digit = digit(text, index) else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    private static func days(_ month: Int64, _ year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return switch month {
        case 2: isLeap ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days of the Gregorian calendar; years begin in March, so that a leap day is the last.
    private static func daysSinceEpoch(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let (years, months) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        let dayOfYear = (153 * months + 2) / 5 + day - 1
        // Years count from 0 here, so that nothing is rounded towards it; year 0 may give −1.
        let whole = years >= 0 ? years : years - 399
        let era = whole / 400
        let yearOfEra = years - era * 400
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

/// The column of a delimited file that says when each row was.
package struct TimeColumn: Sendable, Equatable {
    /// Its name in the header.
    package let name: String
    /// Whether a file may be without it; the hours of its rows are then unknown.
    package let isOptional: Bool

    /// Names a column.
    package init(name: String, isOptional: Bool = false) {
        self.name = name
        self.isOptional = isOptional
    }

    /// Where it stands in a file; nil when the file is without it and may be.
    func position(in names: [String]) throws(FeatureError) -> Int? {
        if isOptional && !names.contains(name) { return nil }
        return try TableSource.position(of: name, in: names)
    }

    /// The hour of the week of a record.
    ///
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` naming line and column.
    func hour(_ record: borrowing DelimitedRecord, at position: Int) throws(FeatureError) -> UInt8 {
        guard let seconds = TimeText.unixSeconds(record.field(position)) else {
            let problem = "column \"\(name)\": the value is no time: expected \(TimeText.expected)"
            throw .invalidCSV(line: record.line, problem: problem)
        }
        return HourOfWeek.of(unixSeconds: seconds)
    }
}
