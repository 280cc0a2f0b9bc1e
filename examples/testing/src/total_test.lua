local test = require("test")
local funcs = require("funcs")

local function define()
  describe("basket:total", function()
    it("is called as others call it", function()
      local total, err = funcs.call("basket:total", { { sku = "tea", price = 450, quantity = 2 } })
      test.no_error(total, err)
      test.eq(total, 900)
    end)

    it("refuses what is no list", function()
      local total, err = funcs.call("basket:total", "tea")
      test.has_error(total, err)
      test.eq(err:kind(), errors.INVALID)
    end)
  end)
end

return { run = test.run_cases(define) }
