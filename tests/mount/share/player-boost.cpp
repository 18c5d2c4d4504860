// SPDX-License-Identifier: MIT
// A player (see players.h) in C++ with Boost.Interprocess, with the only HOW that it has,
// native.
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "exchange.h"

namespace bi = boost::interprocess;

static bi::shared_memory_object start(const char *name, bool lead, std::int64_t size)
{
	if (!lead)
		return bi::shared_memory_object(bi::open_only, name, bi::read_write);

	bi::shared_memory_object object(bi::create_only, name, bi::read_write);
	object.truncate(size);
	return object;
}

int main(int argc, char *argv[])
{
	if (argc != 6)
		return 2;
	const bool lead = std::string(argv[3]) == "lead";
	const auto count = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
	const std::uint64_t size = std::strtoull(argv[5], nullptr, 10);
	const bi::shared_memory_object object =
		start(argv[2], lead, static_cast<std::int64_t>(size));
	const bi::mapped_region region(object, bi::read_write);
	const exchange e = { static_cast<std::uint32_t *>(region.get_address()), -1,
			     size };

	if (!lead) {
		exchange_follow(&e, 1, count);
		return 0;
	}
	std::cout << "ready" << std::endl;
	exchange_lead(&e, 1, count);
	return 0;
}
