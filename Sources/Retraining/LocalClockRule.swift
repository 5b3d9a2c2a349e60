/// When summer time begins and ends each year: the text that ends a time-zone file, in the form of
/// POSIX `TZ` with the extensions of RFC 9636, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
struct LocalClockRule: Sendable, Equatable {
    private let standard: Int64
    private let summer: Summer?

    private struct Summer: Sendable, Equatable {
        let seconds: Int64
        let begin: Date
        let end: Date
    }

    /// A day of the year and a time of that day, which may lie in another day.
    private struct Date: Sendable, Equatable {
        enum Day: Sendable, Equatable {
            /// The so-manieth such weekday of a month; 5 is the last.
            case weekday(month: Int, week: Int, weekday: Int)
            /// 1 to 365; 29 February is never counted.
            case julian(Int)
            /// 0 to 365; 29 February is counted.
            case ordinal(Int)
        }

        let day: Day
        let seconds: Int64

        /// Local seconds since 1970-01-01 00:00.
        func moment(in year: Int) -> Int64 {
            let days: Int64 =
                switch day {
                case .weekday(let month, let week, let weekday):
                    Self.day(year, month, week, weekday)
                case .julian(let number):
                    // From March on a leap year is one day ahead.
                    CivilDay.days(year, 1, 1)
                        + Int64(number - 1 + (number >= 60 && CivilDay.isLeap(year) ? 1 : 0))
                case .ordinal(let number):
                    CivilDay.days(year, 1, 1) + Int64(number)
                }
            return days * 86_400 + seconds
        }

        private static func day(_ year: Int, _ month: Int, _ week: Int, _ weekday: Int) -> Int64 {
            let first = CivilDay.days(year, month, 1)
            let next =
                month == 12 ? CivilDay.days(year + 1, 1, 1) : CivilDay.days(year, month + 1, 1)
            let firstWeekday = CivilDay(unixSeconds: first * 86_400).weekday
            var found = first + Int64((weekday - firstWeekday + 7) % 7 + (week - 1) * 7)
            while found >= next { found -= 7 }
            return found
        }
    }

    /// Reads a rule; nil when the text is none.
    init?(_ text: String) {
        var reader = Reader(rest: Array(text.utf8)[...])
        guard reader.name(), let standard = reader.time(hoursMax: 24) else { return nil }
        self.standard = -standard
        guard !reader.rest.isEmpty else {
            summer = nil
            return
        }
        guard reader.name() else { return nil }
        var seconds = -standard + 3600
        if reader.rest.first != UInt8(ascii: ",") {
            guard let own = reader.time(hoursMax: 24) else { return nil }
            seconds = -own
        }
        guard let begin = Self.date(&reader), let end = Self.date(&reader), reader.rest.isEmpty
        else { return nil }
        summer = Summer(seconds: seconds, begin: begin, end: end)
    }

    private static func date(_ reader: inout Reader) -> Date? {
        guard reader.skip(",") else { return nil }
        let day: Date.Day
        if reader.skip("M") {
            guard let month = reader.number(1...12), reader.skip("."),
                let week = reader.number(1...5), reader.skip("."),
                let weekday = reader.number(0...6)
            else { return nil }
            day = .weekday(month: month, week: week, weekday: weekday)
        } else if reader.skip("J") {
            guard let number = reader.number(1...365) else { return nil }
            day = .julian(number)
        } else {
            guard let number = reader.number(0...365) else { return nil }
            day = .ordinal(number)
        }
        guard reader.skip("/") else { return Date(day: day, seconds: 7200) }
        return reader.time(hoursMax: 167).map { Date(day: day, seconds: $0) }
    }

    /// How far local time is from UTC at a moment, and the moment at which that changes.
    func offset(at moment: Int64) -> (seconds: Int64, until: Int64) {
        // Beyond some million years there is no calendar to ask.
        guard let summer, (-1 << 46..<1 << 46).contains(moment) else { return (standard, .max) }
        let year = CivilDay(unixSeconds: moment + standard).year
        var changes: [(at: Int64, seconds: Int64)] = []
        for year in year - 1...year + 1 {
            changes.append((summer.end.moment(in: year) - summer.seconds, standard))
            changes.append((summer.begin.moment(in: year) - standard, summer.seconds))
        }
        // Where an end and a beginning meet, it is summer all the year: the beginning comes last.
        changes.sort {
            ($0.at, $0.seconds == summer.seconds ? 1 : 0)
                < ($1.at, $1.seconds == summer.seconds ? 1 : 0)
        }
        let past = changes.last { $0.at <= moment }?.seconds ?? standard
        let next = changes.first { $0.at > moment && $0.seconds != past }?.at
        return (past, next ?? .max)
    }

    /// Takes the parts of a rule from its front.
    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard let first = rest.first, UInt32(first) == character.value else { return false }
            rest = rest.dropFirst()
            return true
        }

        /// Passes over the name of a time: letters, or anything between angle brackets.
        mutating func name() -> Bool {
            if skip("<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[(end + 1)...]
                return true
            }
            let letters = rest.prefix { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
            rest = rest.dropFirst(letters.count)
            return letters.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int>) -> Int? {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard (1...3).contains(digits.count) else { return nil }
            rest = rest.dropFirst(digits.count)
            let value = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return range.contains(value) ? value : nil
        }

        /// Hours, minutes and seconds with a sign, in seconds.
        mutating func time(hoursMax: Int) -> Int64? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard let hours = number(0...hoursMax) else { return nil }
            var seconds = hours * 3600
            if skip(":") {
                guard let minutes = number(0...59) else { return nil }
                seconds += minutes * 60
                if skip(":") {
                    guard let rest = number(0...59) else { return nil }
                    seconds += rest
                }
            }
            return Int64(isNegative ? -seconds : seconds)
        }
    }
}
