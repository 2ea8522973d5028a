require "json"

module Acme::Orders
  # Keeps the orders of a customer.
  # More of it.
  class Ledger < Books::Base
    include Enumerable
    LIMIT = 3
    Point = Struct.new(:x, :y)
    attr_reader :name, :size

    def initialize(name)
      @name = name
    end

    def self.build(*args) = new(*args)

    # rubocop:disable Style/This
    def <=>(other)
      other.size.compare(Order.default)
    end

    def name=(value); end

    private def empty?; end

    alias vacant? empty?
    define_method(:shout) { name.upcase }

    class << self
      def open; yield Storage::Disk.new; rescue IOError; end
    end
  end
end

RSpec.describe Ledger do
  context "when empty" do
    it "adds" do
      expect(subject.map(&:size)).to eq(1)
    end
  end
end
