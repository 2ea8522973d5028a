local M = {}
local json = require("acme.json")

--- Adds two.
-- @param a
function M.add(a, b)
  local sum = a + b
  return sum
end

function M.Ledger:open() return self.disk:read() end
local function helper(x) return json.encode(x) end
M.close = function(a) end
local quick = function() end
LIMIT = 3
M.version = "1"
local handlers = { run = function() helper(1) end, size = 1 }

--[[
  Says it all.
]]
function global() M.add(1, 2) end

describe("ledger", function()
  it("adds", function() end)
end)

return M
