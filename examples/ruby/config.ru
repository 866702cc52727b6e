# A Rack application, run by Puma. It knows nothing of Segue.
GREETING = 'hello'

run lambda { |env|
  body = env['REQUEST_METHOD'] == 'POST' ? env['rack.input'].read : "#{GREETING} from release #{ENV['SEGUE_RELEASE']}, in Ruby\n"
  [200, { 'content-type' => 'text/plain' }, [body]]
}
