internal import Features

/// Which group of hours is in force, for whoever counts live rows.
///
/// It has no clock of its own: it is told the time, in seconds since the epoch.
package struct SeasonClock: Sendable {
    private let groupOfHour: [UInt8]

    /// The clock of a profile; nil when it has no season.
    package init?(_ profile: ReferenceProfile) {
        guard let seasons = profile.seasons else { return nil }
        groupOfHour = seasons.groupOfHour
    }

    /// The group of the hour of the week in which a moment lies.
    package func season(unixSeconds: Int64) -> UInt8 {
        let hour = Int(HourOfWeek.of(unixSeconds: unixSeconds))
        return hour < groupOfHour.count ? groupOfHour[hour] : 0
    }

    /// The group of an hour of the week; nil for one that is not known.
    package func season(hour: UInt8) -> UInt8? {
        Int(hour) < groupOfHour.count ? groupOfHour[Int(hour)] : nil
    }
}
