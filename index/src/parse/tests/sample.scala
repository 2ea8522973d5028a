package acme.orders

import acme.storage.{Disk, Entry => Item}
import acme.books.Book

/** Keeps the orders of a customer. */
@deprecated
final case class Ledger[T](name: String, val size: T)(implicit order: Ordering[T]) extends Book[T](name) with Shape {
  val Limit = 3
  var count = 0
  type Id = String
  def this(name: String) = this(name, Disk.zero)
  def area(canvas: Canvas): Double = canvas.scale[Int](1) + helper(2)
  def +(other: Ledger[T]): Ledger[T] = new Ledger(other.name)
}

object Ledger {
  def apply(name: String) = new Ledger(name)
  implicit class Ops(val text: String) { def shout = text }
}

trait Shape {
  def area(canvas: Canvas): Double
  private[orders] def hidden() = { val local = 1; local }
}

enum Color { case Red, Green; case Mix(share: Int) }
given ordering: Ordering[Item] with { def compare(one: Item) = 1 }
extension (text: String) def loud = text
package object util { val one = 1 }
