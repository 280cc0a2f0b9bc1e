-- The price of a parcel. Looking it up takes a while.
local time = require("time")

type Quote = {city: string, cents: integer}

local PRICES: {[string]: integer} = { Lisbon = 1250, Oslo = 1890, Rome = 1100 }

local function quote(city: string, parcels: integer): (Quote?, error?)
  if parcels < 1 then error("a quote needs at least one parcel") end
  time.sleep("50ms")
  local price = PRICES[city]
  if not price then
    return nil, errors.new({ message = "we do not deliver to " .. city, kind = errors.NOT_FOUND, retryable = false })
  end
  return { city = city, cents = price * parcels }
end

return { quote = quote }
