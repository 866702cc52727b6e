# A Sinatra application, for the Rack servers. How it stops is their affair.
require 'sinatra/base'

class App < Sinatra::Base
  # How long a slow or streamed answer shall take.
  def duration = (params['ms'] || 1500).to_i / 1000.0

  get('/') { "hello\n" }

  get '/slow' do
    sleep duration
    "slow\n"
  end

  get '/stream' do
    content_type 'text/plain'
    duration = self.duration
    stream do |out|
      finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + duration
      while Process.clock_gettime(Process::CLOCK_MONOTONIC) < finish
        out << "line\n"
        sleep 0.05
      end
      out << "end\n"
    end
  end

  post('/upload') { "#{request.body.read.bytesize}\n" }
end

run App
