defmodule Acme.Orders.Ledger do
  @moduledoc """
  Keeps the orders of a customer. Slowly.
  """
  use Acme.Book
  alias Acme.Storage.{Disk, Entry}
  import Ecto.Query, only: [from: 2]

  @limit 3
  @type t :: %__MODULE__{name: String.t()}
  @callback init(term) :: {:ok, term}
  defstruct [:name, size: 0]

  @doc """
  Adds it.

      iex> add(1)
  """
  @doc since: "1.0"
  @spec add(t, integer) ::
          :ok
  def add(ledger, entry) when is_integer(entry) do
    ledger |> Disk.write() |> helper()
    Enum.map(entry, &weigh/1)
  end

  def add(ledger, _), do: ledger

  # Private.
  defp helper(x), do: x

  defmacro __using__(opts) do
    quote do: unquote(opts)
  end

  defguard is_small(a) when a < @limit
  def empty, do: %Entry{}
  defdelegate size(x), to: Disk
end

defprotocol Acme.Size do
  @doc "The size of it."
  def size(x)
end

defimpl Acme.Size, for: Acme.Orders.Ledger do
  def size(_), do: 1
end

defmodule Acme.LedgerTest do
  use ExUnit.Case

  describe "add" do
    test "adds", %{conn: conn} do
      assert Ledger.add(conn)
    end
  end
end
