import Foundation

/// Keeps the orders of a customer. Slowly.
@objc public final class Ledger<T>: Book, Shape where T: Entry {
    static let shared = Ledger()
    private(set) var count: Int = 0 { didSet { notify() } }
    var title: String { return name.uppercased() }

    init?(size: Int) { super.init() }
    deinit { close() }
    subscript(place: Int) -> Entry { entries[place] }

    class func make() -> Self { Ledger(disk: Disk.main) }
    func area(_ canvas: Canvas) async throws -> Double? {
        let local = 1
        return entries.map { $0.weigh() }
    }
    static func == (one: Ledger, other: Ledger) -> Bool { true }
}

extension Ledger: Equatable {
    func merge(_ other: Ledger) {}
}

enum Mode: String {
    case open, closed(Int)
    indirect case nested
}

struct Point { var x: Int; let y: Double }
protocol Shape: AnyObject { associatedtype Unit; var sides: Int { get }; func area(_ canvas: Canvas) throws }
typealias Pairs = Array<Point>
actor Keeper { }
func helper(_ entry: Entry) -> Bar? { nil }
let limit = 3

final class LedgerTests: XCTestCase {
    func testAdds() {}
}

@Test func adds() {}
