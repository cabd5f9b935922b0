// The program of the bridge: started by apusd, with its control channel at a fixed descriptor.

import Bridge

Bridge.main()
