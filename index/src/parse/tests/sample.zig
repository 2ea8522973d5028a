const std = @import("std");
const Allocator = std.mem.Allocator;

/// Keeps the orders of a customer.
pub const Ledger = struct {
    name: []const u8,
    entries: ArrayList(Entry) = .{},
    pub const limit = 3;

    /// Opens it.
    pub fn init(gpa: Allocator) !Ledger {
        const local = 1;
        return helper(gpa, local, std.mem.zeroes(Entry));
    }

    const Mode = enum { open, closed };
};

pub var count: u32 = 0;
const Failure = error{ Full, Closed };
const Shape = union(enum) { round: u8, square: Side };

fn helper(one: *Ledger, other: ?Entry) Failure!Ledger {
    return one.merge(other);
}

pub extern "c" fn write(handle: c_int) void;

pub fn Pair(comptime T: type) type {
    return struct {
        pub fn swap(self: T) void {}
    };
}

test "adds" {
    try std.testing.expect(true);
}
