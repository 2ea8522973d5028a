{-# LANGUAGE GADTs #-}
-- | Keeps ledgers.
module Acme.Orders.Ledger (add, Ledger(..)) where

import qualified Acme.Storage as Storage
import Data.List (sortBy, nub)

-- | The orders of a customer.
data Ledger a = Empty
  | Ledger { name :: String, entries :: ![a] }
  deriving (Show, Eq)

newtype Wrap = Wrap { unwrap :: Int }
type Pairs = [Ledger Int]

{-| What has an area.
-}
class Eq a => Shape a where
  -- | Its area.
  area :: a -> Double
  area _ = 0

instance Shape (Ledger a) where
  area ledger = weigh ledger

-- | Adds one.
-- And more.
add :: Int -> Int
add 0 = 1
add n = total + Storage.size n where
  total = helper n

limit = 3

(<+>) :: Int -> Int -> Int
one <+> other = one + other

data Shown where
  Hidden :: Show a => a -> Shown

main :: IO ()
main = do
  print $ add limit
